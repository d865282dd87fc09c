"""List the live calls of a server, or show what was said in one.

  voiceagent calls              list them, the newest first
  voiceagent calls SID          what was said, and what each reply did
  voiceagent calls SID --full   of each turn also where its time went, which worker ran it, and what it has survived;
                                of the call the timers and activities that are still to come

The server is asked over its API: set API_KEY where it has one.
"""

import argparse
import json
import sys
from datetime import datetime
from functools import partial
from typing import Any

from orchestrator.cli.call import server_url
from orchestrator.cli.colors import Colors
from orchestrator.cli.server import asked
from orchestrator.cli.table import table_lines
from orchestrator.cli.transcript import Transcript, printable
from orchestrator.cli.turn_details import pending, turn_details
from orchestrator.clock import utc_now
from orchestrator.conversation.state import ConversationState
from orchestrator.settings import load_settings

LIMIT = 1000
HEADINGS = ("CALL", "SINCE", "TURNS", "CHANNEL", "PHASE")
EXIT_CODES = {
    0: "shown",
    1: "there is no such call, or the server does not answer",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent calls`."""
    parser.add_argument("call_sid", nargs="?", metavar="SID", help="show this call (default: list all)")
    parser.add_argument("--timings", action="store_true", help="show with the SID when each turn reached its stages")
    parser.add_argument("--full", action="store_true", help="show with the SID all that is known of each turn")
    parser.add_argument("--json", action="store_true", help="for machines: what the API answers")
    parser.add_argument("--url", metavar="URL", help="the server to ask (default: http://127.0.0.1:PORT)")


def run(args: argparse.Namespace) -> int:
    """Print the list, or one call. A URL in place of the SID is taken as the server."""
    settings = load_settings()
    call_sid, url = args.call_sid, args.url
    if call_sid and "://" in call_sid:
        call_sid, url = None, call_sid
    server, colors = server_url(url, settings), Colors(sys.stdout)
    if call_sid:
        found = asked(server, settings, lambda client: client.call(call_sid))
        shown = partial(_one, ConversationState.model_validate(found), colors, args)
    else:
        found = asked(server, settings, lambda client: client.list_calls(LIMIT))
        shown = partial(table, found, colors)
    print(*([json.dumps(found)] if args.json else shown()), sep="\n")
    return 0


def _one(state: ConversationState, colors: Colors, args: argparse.Namespace) -> list[str]:
    details = turn_details if args.full else None
    lines = Transcript(state, colors, timings=args.timings and not args.full, details=details).lines()
    return [*lines, *(colors(printable(line), "dim") for line in pending(state, utc_now()) if args.full)]


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
