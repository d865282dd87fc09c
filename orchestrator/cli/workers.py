"""List the workers: which live, what each runs, and how it is.

  voiceagent workers            each worker: its state, version, turns, and what somebody has to look at
  voiceagent workers --watch    again each second, until Ctrl-C

The Redis of your settings is looked into, or that of `voiceagent dev`. Exit code 1: no worker is alive.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator import clock
from orchestrator.cli.colors import Colors
from orchestrator.cli.redis_target import with_used_redis
from orchestrator.cli.table import table_lines
from orchestrator.cli.transcript import printable
from orchestrator.cli.units import duration
from orchestrator.cli.watching import watch
from orchestrator.errors import BadSetting
from orchestrator.health.workers import list_workers
from orchestrator.redis.connections import connect
from orchestrator.settings import load_settings

HEADINGS = ("WORKER", "STATE", "VERSION", "AGENT", "TURNS", "RUNS FOR", "NOTE")
NO_REDIS = "USE_REDIS is not true here, so there are no workers. Set USE_REDIS=true and REDIS_URL as web has them."
NONE = "No worker is alive. Start one: python -m workers"

Worker = Mapping[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent workers`."""
    parser.add_argument("--watch", action="store_true", help="show them again each second, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="for machines")


def run(args: argparse.Namespace) -> int:
    """Print the workers. Return 1 if none is alive."""
    settings = with_used_redis(load_settings())
    if not settings.use_redis:
        raise BadSetting(NO_REDIS)

    async def show() -> int:
        redis = connect(settings, max_connections=2)

        async def text() -> str:
            return _shown(await list_workers(redis), args)

        try:
            if args.watch:
                return await watch(text, in_place=not args.json)
            workers = await list_workers(redis)
            print(_shown(workers, args))
            return 0 if any(state_of(worker) != "lost" for worker in workers) else 1
        finally:
            await redis.aclose()

    return asyncio.run(show())


def _shown(workers: Sequence[Worker], args: argparse.Namespace) -> str:
    return json.dumps(workers) if args.json else "\n".join(lines(workers, Colors(sys.stdout)))


def lines(workers: Sequence[Worker], colors: Colors) -> Iterator[str]:
    """Yield the workers as lines, and how busy they are together."""
    if not workers:
        yield NONE
        return
    yield from table_lines(HEADINGS, [_row(worker) for worker in workers], colors)
    alive = [worker for worker in workers if state_of(worker) != "lost"]
    running, slots = (sum(_whole(worker.get(name)) for worker in alive) for name in ("running", "slots"))
    yield ""
    yield colors(f"{len(alive)} alive, {running} of {slots} turns at once.", "dim") if alive else colors(NONE, "red")


def state_of(worker: Worker) -> str:
    """Return in one word how a worker is."""
    if worker.get("lost"):
        return "lost"
    return "draining" if worker.get("draining") else "alive"


def _row(worker: Worker) -> tuple[str, ...]:
    began = worker.get("started_at")
    return (
        printable(str(worker["id"])),
        state_of(worker),
        printable(str(worker.get("version") or "-")),
        printable(str(worker.get("agent") or "-")),
        f"{_whole(worker.get('running'))} of {_whole(worker.get('slots'))}",
        duration(clock.now() - began) if isinstance(began, int | float) else "-",
        "; ".join(_notes(worker)) or "-",
    )


def _notes(worker: Worker) -> Iterator[str]:
    if worker.get("lost"):
        yield f"silent for {duration(clock.now() - float(worker['seen_at']))}"
    if stuck := _whole(worker.get("stuck_threads")):
        yield f"{stuck} agents block their threads"
    missing = worker.get("missing_keys")
    if isinstance(missing, list) and missing:
        yield f"lacks the keys {', '.join(printable(str(each)) for each in missing)}"


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
