"""Drain workers: each takes no more turns, finishes those it runs, and ends, so that its supervisor starts a new one.

  voiceagent drain a1b2c3               the worker whose id begins like that (`voiceagent workers` lists them)
  voiceagent drain anna:712             the worker with process id 712 on the machine anna
  voiceagent drain --all-of V           every worker of version V
  voiceagent drain a1b2c3 --no-wait     tell it, and do not wait until it has ended

The Redis of your settings is looked into, or that of `voiceagent dev`. The same over the API: POST /workers/ID/drain.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from orchestrator.cli.colors import Colors
from orchestrator.cli.drain_progress import DrainProgress
from orchestrator.cli.json_output import add_json
from orchestrator.cli.redis_target import with_used_redis
from orchestrator.errors import BadSetting
from orchestrator.operator_changes.redis import note_change
from orchestrator.processes.drain import all_of, chosen
from orchestrator.processes.redis.drain import order_drain
from orchestrator.processes.redis.reports import list_processes, read_reports
from orchestrator.processes.report import Process, Report, alive
from orchestrator.redis.connections import connect
from orchestrator.settings import Settings, load_settings

LOOK_SECONDS = 0.5
REPORT_SECONDS = 10.0
"""Added to what a worker may take to drain: it may hear of the order only when it reports next, and says late that it
has ended."""
NO_REDIS = "USE_REDIS is not true here, so there are no workers. Set USE_REDIS=true and REDIS_URL as web has them."
EXIT_CODES = {
    0: "they have ended; with --no-wait: they were told",
    1: "no such worker, or one has not ended in time, or was lost before it had finished",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent drain`."""
    parser.add_argument("workers", nargs="*", metavar="WORKER", help="an id, its beginning, or HOST:PID")
    parser.add_argument("--all-of", metavar="VERSION", help="every worker of this version")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until they have ended")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Tell the workers to drain, and wait until they have ended. Return the exit code."""
    if bool(args.workers) == bool(args.all_of):
        args.refuse("say which: voiceagent drain WORKER, or voiceagent drain --all-of VERSION")
    settings = with_used_redis(load_settings())
    if not settings.use_redis:
        raise BadSetting(NO_REDIS)
    return asyncio.run(_run(args, settings))


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    redis = connect(settings, max_connections=2)
    try:
        processes = await list_processes(redis)
        workers = all_of(args.all_of, processes) if args.all_of else chosen(args.workers, processes)
        await note_change(settings, "drain", *(worker["id"] for worker in workers))
        told = [await order_drain(redis, worker["id"]) for worker in workers]
        if len(told) == len(alive(processes, "worker")):
            _warn("No other worker lives: turns wait until a new one has started.")
        progress = DrainProgress(told)
        if not args.no_wait:
            await _follow(
                partial(read_reports, redis),
                progress,
                settings.drain_timeout_seconds + REPORT_SECONDS,
                is_shown=not args.json,
            )
        return _end(progress, args)
    finally:
        await redis.aclose()


async def _follow(
    read: Callable[[], Awaitable[Mapping[str, Report]]], progress: DrainProgress, seconds: float, *, is_shown: bool
) -> None:
    """Show what becomes of the workers until none is left, for at most `seconds` without news."""
    loop, colors = asyncio.get_running_loop(), Colors(sys.stdout)
    until = loop.time() + seconds
    while True:
        for line in progress.look(await read()):
            until = loop.time() + seconds
            if is_shown:
                print(line.shown(colors), flush=True)
        if not progress.draining or loop.time() > until:
            return
        await asyncio.sleep(LOOK_SECONDS)


def _end(progress: DrainProgress, args: argparse.Namespace) -> int:
    failed = progress.lost or (progress.draining and not args.no_wait)
    if args.json:
        print(json.dumps({"workers": progress.described()}))
    elif args.no_wait:
        print(_told(progress.workers))
    elif progress.draining:
        _warn(f"Not ended yet: {', '.join(progress.draining)}. `voiceagent workers` shows how far they are.")
    return 1 if failed else 0


def _told(workers: Sequence[Process]) -> str:
    return f"Told {len(workers)} {'worker' if len(workers) == 1 else 'workers'} to drain."


def _warn(sentence: str) -> None:
    print(Colors(sys.stderr)(sentence, "yellow"), file=sys.stderr, flush=True)
