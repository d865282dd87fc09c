"""List the events that are not delivered, show one, try them now, deliver the dead ones again, or drop them.

  voiceagent events                        list what is pending or dead, with the last error
  voiceagent events --dead --sink webhook  only what was given up for this sink
  voiceagent events show CA1 3             event 3 of call CA1, as its sinks get it
  voiceagent events retry                  try at once what is pending: the receiver is repaired
  voiceagent events replay CA1 3           deliver a dead event again, under the same id
  voiceagent events replay --sink webhook --since 2h   all that died for this sink in the last two hours
  voiceagent events drop CA1 3             deliver it no more
  voiceagent events drop --sink old --pending          what a sink will never get that is gone
  voiceagent events resume webhook         deliver to a sink again that answered 410 Gone

The Redis of your settings is looked into, or that of `voiceagent dev`. Without Redis, ask web: GET /events.
Where a SID was used twice, two events may have one number: say @POSITION, as --json shows it, in the place of SEQ.
"""

import argparse
import asyncio
import sys

from orchestrator import clock
from orchestrator.cli.colors import Colors
from orchestrator.cli.event_changes import NoSuchEvent, deliveries_of, drop, replay, retry
from orchestrator.cli.event_table import as_json, stopped_lines, summary, table
from orchestrator.cli.json_output import add_json
from orchestrator.cli.numbers import count
from orchestrator.cli.redis_target import with_used_redis
from orchestrator.cli.transcript import printable
from orchestrator.cli.units import moment_since
from orchestrator.errors import BadSetting
from orchestrator.events.listing import State, Wanted, described, find_all, find_page
from orchestrator.events.outbox import Outbox, Undelivered
from orchestrator.events.redis.opening import open_outbox
from orchestrator.events.sinks.factory import sink_names
from orchestrator.operator_changes.redis import note_change
from orchestrator.settings import Settings, load_settings

COMMANDS = ("list", "show", "retry", "replay", "drop", "resume")
SHOWN = 100
MOST_SHOWN = 1000
NOTHING = "Every event is delivered."
NONE_SUCH = "No such event waits."
NO_SINK = "No sink is set here (EVENTS_WEBHOOK_URL, EVENTS_FILE, …), and without one no events are written."
NO_REDIS = (
    "USE_REDIS is not true here, so this command has no Redis to look into. Set USE_REDIS=true and REDIS_URL as web "
    "has them. Does web run without Redis? Then ask it: GET /events."
)
EXIT_CODES = {
    0: "done",
    1: "there is no such event or sink, or nothing was dropped",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent events`."""
    parser.add_argument("command", nargs="?", default="list", choices=COMMANDS, help="default: %(default)s")
    parser.add_argument("name", nargs="?", metavar="CALL|SINK", help="whose event; resume: which sink")
    parser.add_argument("seq", nargs="?", metavar="SEQ", help="which event of the call")
    parser.add_argument("--dead", action="store_true", help="only what was given up")
    parser.add_argument("--pending", action="store_true", help="only what is still tried; with drop, that one")
    parser.add_argument("--sink", default="", metavar="NAME", help="only what this sink has not got")
    parser.add_argument("--call", default="", metavar="SID", help="only events of this call")
    parser.add_argument(
        "--since", type=_moment, default=0.0, metavar="WHEN", help="only what died since then: 30min, 2h, a time"
    )
    parser.add_argument("--all", action="store_true", help="with replay and drop: whatever sink and call")
    parser.add_argument("--yes", action="store_true", help="drop without asking")
    parser.add_argument("--limit", type=count, default=SHOWN, metavar="N", help="how many to list (default: 100)")
    parser.add_argument("--cursor", default="", help="where the list continues, as the page before said")
    add_json(parser)


def _moment(text: str) -> float:
    return moment_since(text, clock.now())


def run(args: argparse.Namespace) -> int:
    """Run the command. Return 1 when there is no such event or sink, or nothing was dropped."""
    settings = with_used_redis(load_settings())
    if not settings.use_redis:
        raise BadSetting(NO_REDIS)
    return asyncio.run(_run(args, settings))


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    async with open_outbox(settings) as outbox:
        if args.command == "list":
            return await _list(args, outbox, settings)
        if args.command == "show":
            return await _show(args, outbox)
        if args.command == "resume":
            await note_change(settings, "events", "resume", args.name or "")
            return await _resume(outbox, args.name, json_wanted=args.json)
        chosen = await _chosen(args, outbox)
        await note_change(settings, "events", args.command, *_named(args))
        if args.command == "retry":
            return await retry(outbox, chosen, as_json=args.json)
        if args.command == "replay":
            return await replay(outbox, chosen, as_json=args.json)
        return await drop(outbox, chosen, asks=not args.yes, as_json=args.json)


async def _list(args: argparse.Namespace, outbox: Outbox, settings: Settings) -> int:
    state: State = "" if args.dead == args.pending else "dead" if args.dead else "pending"
    page = await find_page(outbox, _wanted(args, state), args.cursor, min(args.limit, MOST_SHOWN))
    if args.json:
        events = [described(it) for it in page.deliveries]
        print(as_json({"events": events, "next_cursor": page.next_cursor or None}))
        return 0
    colors, now = Colors(sys.stdout), clock.now()
    stopped = await outbox.stopped_sinks()
    lines = stopped_lines(stopped, now, colors)
    if page.deliveries:
        lines += [*table(page.deliveries, [it.sink for it in stopped], now, colors), "", summary(page.deliveries)]
    elif not page.next_cursor:
        lines.append(NOTHING if _is_everything(args) else NONE_SUCH)
        lines += [] if sink_names(settings) else [NO_SINK]
    if page.next_cursor:
        lines.append(f"There may be more: voiceagent events --cursor {page.next_cursor}, with the same options.")
    print(*lines, sep="\n")
    return 0


async def _show(args: argparse.Namespace, outbox: Outbox) -> int:
    deliveries = await deliveries_of(outbox, args.name, args.seq)
    print(as_json(deliveries[0].entry.event.model_dump(mode="json")))
    return 0


async def _resume(outbox: Outbox, sink: str | None, *, json_wanted: bool) -> int:
    stopped = [it.sink for it in await outbox.stopped_sinks()]
    if sink and await outbox.resume_sink(sink):
        name = printable(sink)
        sentence = f"{name} gets events again. For what died meanwhile: voiceagent events replay --sink {name}"
        print(as_json({"resumed": sink}) if json_wanted else sentence)
        return 0
    named = f"Stopped: {', '.join(map(printable, stopped))}." if stopped else "No sink is stopped."
    raise NoSuchEvent(f"{printable(sink)} is not stopped. {named}" if sink else f"Say which sink. {named}")


async def _chosen(args: argparse.Namespace, outbox: Outbox) -> list[Undelivered]:
    """Return the deliveries that a change is for: those of one event, or all that the options name."""
    if args.name:
        found = [it for it in await deliveries_of(outbox, args.name, args.seq) if args.sink in ("", it.sink)]
        if not found:
            raise NoSuchEvent(f"That event does not wait for a sink {printable(args.sink)}.")
        return found
    is_retry = args.command == "retry"  # which harms nothing, and is for all if nothing else is said
    if not (args.sink or args.call or args.since or args.all or is_retry):
        raise NoSuchEvent("Say which: CALL SEQ, or with --sink, --call, --since or --all many at once.")
    return [it async for it in find_all(outbox, _wanted(args, "pending" if args.pending or is_retry else "dead"))]


def _named(args: argparse.Namespace) -> list[str]:
    """Return which deliveries a change is for, as the command names them."""
    options = [f"--{name} {value}" for name in ("sink", "call", "since") if (value := getattr(args, name))]
    return [*filter(None, (args.name, args.seq)), *options, *(["--all"] if args.all else [])]


def _wanted(args: argparse.Namespace, state: State) -> Wanted:
    return Wanted(state, args.sink, args.call, args.since)


def _is_everything(args: argparse.Namespace) -> bool:
    return not (args.dead or args.pending or args.sink or args.call or args.since or args.cursor)
