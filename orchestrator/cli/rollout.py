"""Show the versions of the workers, and say which of them gets new calls.

  voiceagent rollout                show each version: its state, workers, calls, and how its turns end
  voiceagent rollout ramp V 5%      let 5 % of the new calls begin at version V, the others at the current one
  voiceagent rollout promote V      let all new calls begin at V; without V, at the version that is ramping
  voiceagent rollout roll-back      end the ramp; without one, go back to the version before the promotion, once
  voiceagent rollout clear          let new calls begin at any version: plain deploys need no plan

A call stays with the version that took its first turn for as long as a worker of it lives (WORKER_VERSIONING=pinned).
A change holds for the very next call. A ramp whose version fails is ended by the workers: docs/deployment.md.
The Redis of your settings is looked into, or that of `voiceagent dev`. The same over the API: GET /rollout.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial

from orchestrator import clock
from orchestrator.cli.colors import Colors
from orchestrator.cli.json_output import add_json
from orchestrator.cli.numbers import revision
from orchestrator.cli.redis_target import with_used_redis
from orchestrator.cli.table import table_lines
from orchestrator.cli.transcript import printable
from orchestrator.cli.units import duration
from orchestrator.cli.watching import watch
from orchestrator.errors import BadRollout, BadSetting
from orchestrator.health.workers import list_workers
from orchestrator.operator_changes.redis import note_change
from orchestrator.redis.connections import connect
from orchestrator.redis.replicas import replica_wait
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.settings import Settings, load_settings
from orchestrator.state.redis.opening import open_states
from orchestrator.worker_versions.changes import cleared, percent_in, promoted, ramped, rolled_back, told
from orchestrator.worker_versions.overview import Overview, VersionStatus, described
from orchestrator.worker_versions.plan import percent_text
from orchestrator.worker_versions.redis.rollouts import MOST_CALLS, Change, Rollouts

COMMANDS = ("show", "ramp", "promote", "roll-back", "clear")
HEADINGS = ("VERSION", "STATE", "NEW CALLS", "WORKERS", "CALLS", "TURNS", "FAILED")
NO_REDIS = (
    "USE_REDIS is not true here, so there are no workers, and no versions to roll out. Set USE_REDIS=true and "
    "REDIS_URL as web has them."
)
EXIT_CODES = {
    0: "done",
    1: "the plan cannot be changed like that, or Redis does not answer",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent rollout`."""
    parser.add_argument("command", nargs="?", default="show", choices=COMMANDS, help="default: %(default)s")
    parser.add_argument("version", nargs="?", default="", metavar="V", help="which version")
    parser.add_argument("percent", nargs="?", default="", metavar="PERCENT", help="ramp: how many new calls, as 5%%")
    parser.add_argument(
        "--revision", type=revision, metavar="N", help="change the plan only if it still has this revision"
    )
    parser.add_argument("--watch", action="store_true", help="show it again each second, until Ctrl-C")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command. Return 1 if the plan cannot be changed like that."""
    try:
        change = _change(args)
    except BadRollout as error:  # wrong usage
        args.refuse(str(error))
    settings = with_used_redis(load_settings())
    if not settings.use_redis:
        raise BadSetting(NO_REDIS)
    return asyncio.run(_run(args, change, settings))


def _change(args: argparse.Namespace) -> Change | None:
    """Return the change of the plan that the arguments ask for; None to show it. Raise `BadRollout`."""
    version, percent = args.version, args.percent
    wanted = {"ramp": 2, "promote": 1}.get(args.command, 0)
    if (percent and wanted < 2) or (version and not wanted):
        raise BadRollout(f"{args.command} takes no {'percentage' if percent else 'version'}.")
    match args.command:
        case "ramp":
            if not version or not percent:
                raise BadRollout("Say which version, and how many of the new calls: voiceagent rollout ramp V 5%")
            part = percent_in(percent)
            return lambda plan, running: ramped(plan, version, part, running)
        case "promote":
            return lambda plan, running: promoted(plan, version, running)
        case "roll-back":
            return rolled_back
        case "clear":
            return lambda plan, running: cleared(plan)
    return None


@asynccontextmanager
async def _open_rollouts(settings: Settings) -> AsyncIterator[Rollouts]:
    """Yield the rollouts in the Redis of `settings`."""
    redis = connect(settings, max_connections=4)
    try:
        states = open_states(settings, redis)
        try:
            connection = StoreConnection(redis, nullcontext, replica_wait(settings))
            yield Rollouts(connection, states, partial(list_workers, redis))
        finally:
            await states.close()
    finally:
        await redis.aclose()


async def _run(args: argparse.Namespace, change: Change | None, settings: Settings) -> int:
    if change is not None:
        await note_change(settings, "rollout", args.command, args.version or "", args.percent or "")
    async with _open_rollouts(settings) as rollouts:
        missed = await rollouts.change(change, args.revision) if change is not None else 0
        if missed:
            sentence = f"{missed} shards of the cluster do not answer; workers write the plan there when they do."
            print(sentence, file=sys.stderr)

        async def text() -> str:
            await rollouts.watch()
            return _shown(await rollouts.overview(), args)

        if args.watch:
            return await watch(text, in_place=not args.json)
        print(_shown(await rollouts.overview(), args))
        return 0


def _shown(overview: Overview, args: argparse.Namespace) -> str:
    return json.dumps(described(overview)) if args.json else "\n".join(_lines(overview, Colors(sys.stdout)))


def _lines(overview: Overview, colors: Colors) -> Iterator[str]:
    plan, calls = overview.plan, overview.calls
    if overview.versions:
        yield from table_lines(HEADINGS, [_row(status) for status in overview.versions], colors)
        yield ""
    else:
        yield "No worker is alive. Start one: python -m workers"
    if unpinned := calls.by_version.get("", 0):
        yield colors(f"{unpinned} {'call is' if unpinned == 1 else 'calls are'} pinned to no version.", "dim")
    if calls.is_partial:
        yield colors(f"Of all calls, the first {MOST_CALLS} were counted.", "dim")
    yield told(plan)
    yield from (colors(concern.text, "yellow") for concern in overview.concerns)
    if plan.revision:
        yield colors(f"Revision {plan.revision}, {duration(clock.now() - plan.changed_at)} old.", "dim")


def _row(status: VersionStatus) -> tuple[str, ...]:
    workers = str(status.workers) + (f" + {status.leaving} draining" if status.leaving else "")
    failed = f"{100 * status.tally.rate:.0f} % of {status.tally.seen}" if status.tally.seen else "-"
    share = "any" if status.share is None else f"{percent_text(status.share) or '0'} %" if status.share else "-"
    return (printable(status.version), status.state, share, workers, str(status.calls), str(status.turns), failed)
