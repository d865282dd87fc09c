"""Run as a program: supervises stand-ins given as JSON, `[[[name, code, grace], …], …]`.

The second argument is the first pause, the third how long a start lasts, in seconds.
"""

import asyncio
import json
import os
import sys

from orchestrator.cli.output import Output
from orchestrator.cli.program import Program, RestartTimings
from orchestrator.cli.supervisor import Supervisor


async def supervise(stages: list[list[tuple[str, str, float]]], timings: RestartTimings) -> int:
    output = Output(sys.stdout)

    def show(name: str, line: str) -> None:
        output.line(f"{name}| {line}")

    async def welcome() -> None:
        show("dev", "welcome")

    environment = dict(os.environ)
    programs = [
        [Program(name, [sys.executable, "-uc", code], environment, grace) for name, code, grace in stage]
        for stage in stages
    ]
    supervisor = Supervisor(show, lambda text: show("dev", text), timings)
    try:
        return await supervisor.run([(stage, None) for stage in programs], welcome)
    finally:
        output.close()


if __name__ == "__main__":
    pause, started = map(float, sys.argv[2:])
    timings = RestartTimings(pause, max(pause, RestartTimings().longest_pause), started)
    sys.exit(asyncio.run(supervise(json.loads(sys.argv[1]), timings)))
