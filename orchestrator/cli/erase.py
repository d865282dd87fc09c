"""Erase a call everywhere: in Redis, in the database, and from what sinks have not got yet.

  voiceagent erase CA1 --yes      erase it without asking

It is ended first if it is live: its caller hears a goodbye. The server is asked over its API: set API_KEY to a key with
the scope admin. If that fails half-way, erase it again: what is gone stays gone.
"""

import argparse
import sys

from orchestrator.cli.call import server_url
from orchestrator.cli.server import asked
from orchestrator.cli.transcript import printable
from orchestrator.settings import load_settings

ERASE_SECONDS = 120.0
"""It looks through all of Redis, and may have to wait for a database."""
EXIT_CODES = {
    0: "everything of the call is erased",
    1: "nothing was erased, or not everything: erase it again",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent erase`."""
    parser.add_argument("call_sid", metavar="SID", help="the call to erase")
    parser.add_argument("--yes", action="store_true", help="erase it without asking")
    parser.add_argument("--url", metavar="URL", help="the server to ask (default: http://127.0.0.1:PORT)")


def run(args: argparse.Namespace) -> int:
    """Erase the call, once a person has agreed."""
    settings = load_settings()
    if not (args.yes or _agrees(args.call_sid)):
        print("Nothing was erased.")
        return 1
    asked(
        server_url(args.url, settings), settings, lambda client: client.end_call(args.call_sid, erase=True),
        timeout_seconds=ERASE_SECONDS,
    )  # fmt: skip
    print(f"{printable(args.call_sid)} is erased. What sinks have got already they must erase themselves.")
    return 0


def _agrees(call_sid: str) -> bool:
    if not sys.stdin.isatty():
        print("Nobody can be asked here: add --yes.", file=sys.stderr)
        return False
    return input(f"Erase {printable(call_sid)} for good? [y/N] ").strip().lower() in ("y", "yes")
