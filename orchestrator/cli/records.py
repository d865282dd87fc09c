"""Search the archive of calls, show one, write many as lines of JSON, or make the archive's tables.

  voiceagent records                            list the records, the newest first
  voiceagent records --number +15558675310 --from 2026-11-01 --text "blue door"
  voiceagent records show CA1                   what was said in a call, and how it ended
  voiceagent records export > calls.jsonl       every record that the filters find, whole, one a line
  voiceagent records migrate                    make the tables in EVENTS_DATABASE_URL, or bring them up to date

The server is asked over its API: set API_KEY where it has one. Only `migrate` speaks to the database itself. Run it
before a new version of the program starts; twice, or from several machines at once, is fine.
"""

import argparse
import asyncio
import json
import sys
from functools import partial
from typing import Any

from pydantic import ValidationError

from orchestrator.cli.colors import Colors
from orchestrator.cli.json_output import add_json, print_json
from orchestrator.cli.server import asked
from orchestrator.cli.server_argument import add_url, url_in
from orchestrator.cli.table import table_lines
from orchestrator.cli.transcript import Transcript, printable
from orchestrator.client import Client
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import BadRecordQuery, NoArchive
from orchestrator.records.opening import database_url
from orchestrator.records.record_query import record_query
from orchestrator.settings import Settings, load_settings

COMMANDS = ("list", "show", "export", "migrate")
FILTERS = {
    "from": "calls that began at this time or later: 2026-11-26 or 2026-11-26T17:30:00Z",
    "to": "calls that began before this time",
    "number": "the caller's number, or the one that was called",
    "agent": "the agent's name",
    "tenant": "whose call it was",
    "outcome": "how it ended: completed, failed, busy, no-answer, canceled, abandoned, expired; or active",
    "text": 'words that were said; "in quotes" next to each other, -not, or',
    "limit": "how many at most, up to 1000 (default: 100 in a list, all in an export)",
    "cursor": "go on where an earlier list ended",
}
HEADINGS = ("CALL", "BEGAN", "SECONDS", "FROM", "TO", "AGENT", "TURNS", "OUTCOME")
EXPORT_SECONDS = 90.0
"""For the first records: the database may have to sort all of them."""
EXIT_CODES = {
    0: "done",
    1: "there is no such record, or the archive does not answer",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent records`."""
    parser.add_argument("command", nargs="?", default="list", choices=COMMANDS, help="default: %(default)s")
    parser.add_argument("call_sid", nargs="?", metavar="SID", help="the call to show")
    for name, description in FILTERS.items():
        parser.add_argument(f"--{name}", dest=f"filter_{name}", metavar=name.upper(), help=description)
    parser.add_argument("--started-at", metavar="TIME", help="show the call that began then (default: the latest)")
    add_json(parser)
    add_url(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    settings = load_settings()
    if args.command == "migrate":
        return _migrate(settings, as_json=args.json)
    given = {name: value for name in FILTERS if (value := getattr(args, f"filter_{name}")) is not None}
    record_query(given)  # its complaints, before anybody is asked
    url, colors = url_in(args, settings), Colors(sys.stdout)
    if args.command == "list":
        page = asked(url, settings, lambda client: client.list_records(**given))
        print(*([json.dumps(page)] if args.json else _listing(page, colors)), sep="\n")
    elif args.command == "show":
        if not args.call_sid:
            raise BadRecordQuery("Say which call: voiceagent records show SID")
        record = asked(url, settings, lambda client: client.record(args.call_sid, started_at=args.started_at))
        _show(record, args, colors)
    else:
        asked(url, settings, partial(_export, given), timeout_seconds=EXPORT_SECONDS)
    return 0


async def _export(given: dict[str, str], client: Client) -> None:
    async for line in client.export_records(**given):
        sys.stdout.write(f"{line}\n")


def _migrate(settings: Settings, *, as_json: bool) -> int:
    if (url := database_url(settings)) is None:
        raise NoArchive
    from orchestrator.records.schema import NEWEST, migrate

    done = asyncio.run(migrate(url))
    if as_json:
        print_json({"applied": done.applied, "version": done.version, "version_of_this_program": NEWEST})
        return 0
    for name in done.applied:
        print(f"Applied {name}.")
    if done.version > NEWEST:
        print(
            f"The tables are at version {done.version}, and this program knows version {NEWEST}. "
            "They were left alone; it works with them."
        )
    else:
        print(f"The tables are at version {done.version}, which is this program's.")
    return 0


def _listing(page: dict[str, Any], colors: Colors) -> list[str]:
    if not page["records"]:
        return ["No records."]
    lines = table_lines(HEADINGS, [_row(record) for record in page["records"]], colors)
    return [*lines, *([f"More: --cursor {page['next_cursor']}"] if page["next_cursor"] else [])]


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    seconds = record["duration_seconds"]
    shown = (record[name] for name in ("from_number", "to_number", "agent"))
    return (
        printable(record["call_sid"]),
        record["started_at"][:19].replace("T", " "),
        "-" if seconds is None else f"{seconds:.0f}",
        *(printable(value or "-") for value in shown),
        str(record["turns"]),
        printable(record["status"]),
    )


def _show(record: dict[str, Any], args: argparse.Namespace, colors: Colors) -> None:
    state = None if args.json else _state_of(record)
    if state is None:
        print(json.dumps(record, indent=2, ensure_ascii=not sys.stdout.isatty()))
    else:
        print(*Transcript(state, colors).lines(), sep="\n")


def _state_of(record: dict[str, Any]) -> ConversationState | None:
    """Return the state that the record was made of, as far as a transcript needs it; None if it has another shape."""
    known = {name: value for name, value in record.items() if value is not None}
    end = {"status": known.get("status", ""), "reason": known.get("reason", "")}
    over = {"ended": {**end, "at": known.get("ended_at", known["started_at"])}} if end["status"] != "active" else {}
    try:
        return ConversationState.model_validate({**known, "created_at": known["started_at"], **over})
    except ValidationError:
        return None
