"""List the dead letters, turns that failed for good because each attempt killed its process; show one, or run it again.

  voiceagent dead                     list them, the newest first
  voiceagent dead show CA1/turn-3     what the caller said, and why it failed
  voiceagent dead replay CA1/turn-3   run it again, and wait for the reply
  voiceagent dead discard CA1/turn-3  throw it away

A replay is a new turn of the same call with the same words: the agent runs once more on the state as it is now, and the
reply is written into the state. The caller has long heard an apology, so the reply is shown here and not spoken.
A call that is over takes no replay. The Redis of your settings is looked into, or that of `voiceagent dev`.
"""

import argparse
import asyncio
import sys
from datetime import datetime
from typing import Any

from orchestrator.cli.colors import Colors
from orchestrator.cli.json_output import add_json, print_json
from orchestrator.cli.numbers import positive
from orchestrator.cli.redis_target import with_used_redis
from orchestrator.cli.table import table_lines
from orchestrator.cli.transcript import printable
from orchestrator.cli.units import duration
from orchestrator.clock import utc_now
from orchestrator.conversation.reply import TurnResult
from orchestrator.errors import NoDeadLetter
from orchestrator.masking import masked
from orchestrator.operator_changes.redis import note_change
from orchestrator.redis.connections import connect
from orchestrator.settings import load_settings
from orchestrator.state.loading import load_state_manager
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.redis.dead_letter_access import DeadLetterAccess

MOST_SHOWN = 1000
LONGEST_WORDS = 40
HEADINGS = ("TURN", "KIND", "AGO", "ATTEMPTS", "SAID")
NOTHING = "There are no dead letters."
EXIT_CODES = {
    0: "done; a replay was answered",
    1: "no such dead letter, no reply in time, or it failed again",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent dead`."""
    commands = ["list", "show", "replay", "discard"]
    parser.add_argument("command", nargs="?", default="list", choices=commands, help="default: %(default)s")
    parser.add_argument("key", nargs="?", metavar="SID/TURN", help="which turn; the SID will do if it has one")
    parser.add_argument(
        "--timeout", type=positive, default=60, metavar="SECONDS", help="how long to wait for a reply (default: 60)"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command. Return 1 when there is no such turn, or it failed again."""
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    settings = with_used_redis(load_settings())
    elsewhere = load_state_manager(settings.state_manager, settings) if settings.state_manager else None
    redis = connect(settings)
    access = DeadLetterAccess(redis, ttl_seconds=settings.state_ttl_seconds, states=elsewhere)
    try:
        letters = await access.all()
        if args.command == "list":
            _print_all(letters, as_json=args.json)
            return 0
        letter = chosen(letters, args.key or "")
        if args.command == "show":
            _print_one(letter, as_json=args.json)
            return 0
        await note_change(settings, "dead", args.command, letter.key)
        if args.command == "discard":
            await access.drop(letter)
            print_json({"discarded": letter.key}) if args.json else print(f"{printable(letter.key)} was thrown away.")
            return 0
        return _report(letter, await access.run(letter, args.timeout), args)
    finally:
        await redis.aclose()
        if elsewhere is not None:
            await elsewhere.close()


def _report(letter: DeadLetter, result: TurnResult | None, args: argparse.Namespace) -> int:
    """Print how a replay ended. Return the exit code."""
    if result is None:
        message = f"No reply within {args.timeout:g} s. Is a worker alive? The turn waits for one; ask again later."
        print_json({"replayed": letter.key, "outcome": None, "reply": None}) if args.json else print(message)
        return 1
    if args.json:
        reply = result.reply.model_dump(mode="json")
        print_json({"replayed": letter.key, "outcome": result.outcome, "reply": reply})
    else:
        print(printable(f"{result.outcome}: {result.reply.text}".rstrip(": ")))
        for action in result.reply.actions:
            print(printable(f"  {action!r}"))
    return 0 if result.outcome == "replied" else 1


def _print_all(letters: list[DeadLetter], *, as_json: bool) -> None:
    if as_json:
        print_json({"dead_letters": [_masked(letter) for letter in letters]})
    else:
        print(*listing(letters, Colors(sys.stdout)), sep="\n")


def _masked(letter: DeadLetter) -> dict[str, Any]:
    fields = letter.described()
    return {**fields, "text": masked(fields["text"]), "digits": "•" * len(fields["digits"])}


def _print_one(letter: DeadLetter, *, as_json: bool) -> None:
    if as_json:
        print_json(letter.described())
    else:
        print(*_page(letter, Colors(sys.stdout)), sep="\n")


def chosen(letters: list[DeadLetter], key: str) -> DeadLetter:
    """Return the letter of that key, or the only one of that call. Raise `NoDeadLetter`."""
    if not key:
        raise NoDeadLetter("Say which turn: SID/TURN, as `voiceagent dead` lists them.")
    exact = [letter for letter in letters if letter.key == key]
    found = exact or [letter for letter in letters if letter.turn.call_sid == key]
    if not found:
        raise NoDeadLetter(f"There is no dead letter {key}. `voiceagent dead` lists those there are.")
    if len(found) > 1:
        raise NoDeadLetter(f"{key} has several: {', '.join(letter.key for letter in found)}. Name one.")
    return found[0]


def listing(letters: list[DeadLetter], colors: Colors) -> list[str]:
    """Return the letters as lines."""
    if not letters:
        return [NOTHING]
    heading, *lines = table_lines(HEADINGS, [_row(letter) for letter in letters[:MOST_SHOWN]], colors)
    more = len(letters) - MOST_SHOWN
    return [heading, *lines, *([f"… and {more} more"] if more > 0 else [])]


def _row(letter: DeadLetter) -> tuple[str, ...]:
    said = printable(" ".join(masked(letter.turn.text).split()))
    words = said if len(said) <= LONGEST_WORDS else said[:LONGEST_WORDS] + "…"
    return (
        printable(letter.key), printable(letter.turn.kind), _ago(letter.dead_lettered_at), str(letter.attempts), words
    )  # fmt: skip


def _ago(moment: datetime) -> str:
    return duration((utc_now() - moment).total_seconds())


def _page(letter: DeadLetter, colors: Colors) -> list[str]:
    lines = {
        "turn": letter.key, "kind": letter.turn.kind, "said": letter.turn.text, "keys": letter.turn.digits,
        "received": f"{letter.turn.received_at.astimezone():%Y-%m-%d %H:%M:%S}",
        "failed at": f"{letter.dead_lettered_at.astimezone():%Y-%m-%d %H:%M:%S}", "attempts": str(letter.attempts),
        "because": letter.reason, "in the log": f"call_sid={letter.turn.call_sid} turn_id={letter.turn.turn_id}",
    }  # fmt: skip
    return [f"{colors(f'{name:<12}', 'dim')}{printable(value)}" for name, value in lines.items() if value]
