"""List the live calls of a server, or show what was said in one.

  voiceagent calls              list them, the newest first
  voiceagent calls SID          what was said, and what each reply did
  voiceagent calls SID --full   of each turn also where its time went, which worker ran it, and what it has survived;
                                of the call the timers and activities that are still to come
  voiceagent call SID           the same

The server is asked over its API: set API_KEY where it has one.
"""

import argparse
import sys
from datetime import datetime
from typing import Any

from orchestrator.cli.colors import Colors
from orchestrator.cli.json_output import add_json, print_json
from orchestrator.cli.live_sids import live_sids
from orchestrator.cli.server import asked
from orchestrator.cli.server_argument import add_url, url_in
from orchestrator.cli.table import table_lines
from orchestrator.cli.transcript import Transcript, printable
from orchestrator.cli.turn_details import pending, turn_details
from orchestrator.clock import utc_now
from orchestrator.conversation.state import ConversationState
from orchestrator.settings import Settings, load_settings

LIMIT = 1000
HEADINGS = ("CALL", "SINCE", "TURNS", "CHANNEL", "PHASE")
EXIT_CODES = {
    0: "shown",
    1: "there is no such call, or the server does not answer",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent calls`."""
    sid = parser.add_argument("call_sid", nargs="?", metavar="SID", help="show this call (default: list all)")
    sid.completer = live_sids  # type: ignore[attr-defined]
    parser.add_argument("--timings", action="store_true", help="show with the SID when each turn reached its stages")
    parser.add_argument("--full", action="store_true", help="show with the SID all that is known of each turn")
    add_json(parser)
    add_url(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list, or one call. A URL in place of the SID is taken as the server."""
    settings = load_settings()
    if args.call_sid and "://" not in args.call_sid:
        return show_call(args.call_sid, args, settings, full=args.full, timings=args.timings)
    found = asked(url_in(args, settings, args.call_sid), settings, lambda client: client.list_calls(LIMIT))
    print_json(found) if args.json else print(*table(found, Colors(sys.stdout)), sep="\n")
    return 0


def show_call(call_sid: str, args: argparse.Namespace, settings: Settings, *, full: bool, timings: bool = False) -> int:
    """Print one call of the server that the arguments name. Return the exit code."""
    found = asked(url_in(args, settings), settings, lambda client: client.call(call_sid))
    if args.json:
        print_json(found)
        return 0
    state, colors = ConversationState.model_validate(found), Colors(sys.stdout)
    lines = Transcript(state, colors, timings=timings and not full, details=turn_details if full else None).lines()
    lines += [colors(printable(line), "dim") for line in pending(state, utc_now()) if full]
    print(*lines, sep="\n")
    return 0


def table(listing: dict[str, Any], colors: Colors) -> list[str]:
    """Return the live calls as lines, in the server's order: newest first."""
    if not listing["calls"]:
        return ["No live calls. Make one with `voiceagent call`."]
    more = listing["count"] - len(listing["calls"])
    lines = table_lines(HEADINGS, [_row(call) for call in listing["calls"]], colors)
    return [*lines, *([f"… and {more} more"] if more > 0 else [])]


def _row(call: dict[str, Any]) -> tuple[str, ...]:
    since = utc_now() - datetime.fromisoformat(call["created_at"])
    minutes, seconds = divmod(max(0, round(since.total_seconds())), 60)
    return (
        printable(call["call_sid"]),
        f"{minutes}:{seconds:02}",
        str(call["turns"]),
        printable(call["channel"]),
        printable(call["phase"]) or "-",
    )
