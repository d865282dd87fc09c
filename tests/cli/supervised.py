"""Run as a program: supervises stand-ins given as JSON, `[[[name, code, grace], …], …]`, with this first pause."""

import asyncio
import json
import os
import sys

from orchestrator.cli import program
from orchestrator.cli.program import Program
from orchestrator.cli.supervisor import Supervisor


def show(name: str, line: str) -> None:
    sys.stdout.write(f"{name}| {line}\n")
    sys.stdout.flush()


async def supervise(stages: list[list[tuple[str, str, float]]]) -> int:
    async def welcome() -> None:
        show("dev", "welcome")

    environment = dict(os.environ)
    programs = [
        [Program(name, [sys.executable, "-uc", code], environment, grace) for name, code, grace in stage]
        for stage in stages
    ]
    supervisor = Supervisor(show, lambda text: show("dev", text))
    return await supervisor.run([(stage, None) for stage in programs], welcome)


if __name__ == "__main__":
    program.FIRST_PAUSE_SECONDS = float(sys.argv[2])
    program.LONGEST_PAUSE_SECONDS = max(program.LONGEST_PAUSE_SECONDS, program.FIRST_PAUSE_SECONDS)
    sys.exit(asyncio.run(supervise(json.loads(sys.argv[1]))))
