"""List the workers and ingresses: which live, what each runs, and how it is.

  voiceagent workers            each process: its state, version, turns, and what somebody has to look at
  voiceagent workers --watch    again each second, until Ctrl-C

The Redis of your settings is looked into, or that of `voiceagent dev`.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator import clock
from orchestrator.cli.colors import Colors
from orchestrator.cli.drain_progress import SHOWN_ID
from orchestrator.cli.json_output import add_json
from orchestrator.cli.redis_target import with_used_redis
from orchestrator.cli.table import table_lines
from orchestrator.cli.transcript import printable
from orchestrator.cli.units import duration
from orchestrator.cli.watching import watch
from orchestrator.errors import BadSetting
from orchestrator.health.workers import LONGEST_KEY_ID, MOST_MISSING, list_workers
from orchestrator.processes.drain import place_of
from orchestrator.processes.redis.reports import list_processes
from orchestrator.processes.report import Process, alive
from orchestrator.redis.connections import connect
from orchestrator.settings import load_settings

HEADINGS = ("ID", "ROLE", "STATE", "PLACE", "VERSION", "AGENT", "BUSY", "RUNS FOR", "NOTE")
NO_REDIS = "USE_REDIS is not true here, so there are no workers. Set USE_REDIS=true and REDIS_URL as web has them."
NONE = "No worker is alive. Start one: python -m workers"
STYLES = {"lost": "red", "silent": "yellow", "draining": "yellow"}
EXIT_CODES = {
    0: "a worker is alive",
    1: "no worker is alive, or Redis does not answer",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent workers`."""
    parser.add_argument("--watch", action="store_true", help="show them again each second, until Ctrl-C")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the processes. Return 1 if no worker is alive."""
    settings = with_used_redis(load_settings())
    if not settings.use_redis:
        raise BadSetting(NO_REDIS)

    async def show() -> int:
        redis = connect(settings, max_connections=2)

        async def read() -> list[Process]:
            return _with_missing_keys(await list_processes(redis), await list_workers(redis))

        async def text() -> str:
            return _shown(await read(), args)

        try:
            if args.watch:
                return await watch(text, in_place=not args.json)
            processes = await read()
            print(_shown(processes, args))
            return 0 if alive(processes, "worker") else 1
        finally:
            await redis.aclose()

    return asyncio.run(show())


def _with_missing_keys(processes: Iterable[Process], workers: Iterable[Mapping[str, Any]]) -> list[Process]:
    """Return the processes, with the encryption keys that a worker lacks (`missing_keys`)."""
    lacking = {worker["id"]: worker.get("missing_keys") for worker in workers}
    return [{**process, "missing_keys": keys_in(lacking.get(process["id"]))} for process in processes]


def keys_in(value: object) -> list[str]:
    """Return the ids of keys that a worker has reported. Anybody may have written it."""
    return [str(each)[:LONGEST_KEY_ID] for each in value[:MOST_MISSING]] if isinstance(value, list) else []


def _shown(processes: Sequence[Process], args: argparse.Namespace) -> str:
    return json.dumps(processes) if args.json else "\n".join(lines(processes, Colors(sys.stdout)))


def lines(processes: Sequence[Process], colors: Colors) -> Iterator[str]:
    """Yield the processes as lines, and how busy the workers are together."""
    if processes:
        heading, *rows = table_lines(HEADINGS, [_row(process) for process in processes], colors)
        yield heading
        for process, row in zip(processes, rows, strict=True):
            yield colors(row, STYLES[process["state"]]) if process["state"] in STYLES else row
        yield ""
    workers = alive(processes, "worker")
    running, slots = (sum(worker[name] for worker in workers) for name in ("running", "slots"))
    told = f"{len(workers)} {'worker' if len(workers) == 1 else 'workers'} alive, {running} of {slots} turns at once."
    yield colors(told, "dim") if workers else colors(NONE, "red")


def _row(process: Process) -> tuple[str, ...]:
    return (
        printable(process["id"][:SHOWN_ID]),
        process["role"],
        process["state"],
        printable(place_of(process)),
        printable(process["version"]) or "-",
        printable(process["agent"]) or "-",
        _busy(process),
        "-" if process["state"] == "lost" else _since(process["started_at"]),
        "; ".join(_notes(process)) or "-",
    )


def _busy(process: Process) -> str:
    if process["role"] == "worker":
        return f"{process['running']} of {process['slots']} turns"
    return f"{process['sockets']} {'socket' if process['sockets'] == 1 else 'sockets'}"


def _notes(process: Process) -> Iterator[str]:
    if process["state"] in ("lost", "silent"):
        yield f"silent for {_since(process['seen_at'])}"
    if stuck := process["stuck_threads"]:
        yield "1 agent blocks its thread" if stuck == 1 else f"{stuck} agents block their threads"
    if missing := process.get("missing_keys"):
        yield f"lacks the keys {', '.join(map(printable, missing))}"


def _since(moment: str | None) -> str:
    return duration(clock.now() - datetime.fromisoformat(moment).timestamp()) if moment else "-"
