"""Erase a call everywhere: in Redis, in the database, and from what sinks have not got yet.

  voiceagent erase CA1 --yes      erase it without asking

It is ended first if it is live: its caller hears a goodbye. The server is asked over its API: set API_KEY to a key with
the scope admin. If that fails half-way, erase it again: what is gone stays gone.
"""

import argparse

from orchestrator.cli.confirmation import agrees
from orchestrator.cli.json_output import add_json, print_json
from orchestrator.cli.live_sids import live_sids
from orchestrator.cli.server import asked
from orchestrator.cli.server_argument import add_url, url_in
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
    sid = parser.add_argument("call_sid", metavar="SID", help="the call to erase")
    sid.completer = live_sids  # type: ignore[attr-defined]
    parser.add_argument("--yes", action="store_true", help="erase it without asking")
    add_json(parser)
    add_url(parser)


def run(args: argparse.Namespace) -> int:
    """Erase the call, once a person has agreed."""
    settings, call_sid = load_settings(), args.call_sid
    if not (args.yes or agrees(f"Erase {printable(call_sid)} for good?")):
        print_json({"erased": None}) if args.json else print("Nothing was erased.")
        return 1
    asked(
        url_in(args, settings), settings, lambda client: client.end_call(call_sid, erase=True),
        timeout_seconds=ERASE_SECONDS,
    )  # fmt: skip
    if args.json:
        print_json({"erased": call_sid})
    else:
        print(f"{printable(call_sid)} is erased. What sinks have got already they must erase themselves.")
    return 0
