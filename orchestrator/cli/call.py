"""Be the caller: talk to an agent from this terminal, as a telephone provider would let you; or show a call in full.

  voiceagent call               call the server on this machine
  voiceagent call --url URL     call another one
  voiceagent call SID           show a call: what was said, and all that is known of each turn

What you type is said to the agent. #123 presses the keys 1, 2 and 3; an empty line is silence. Ctrl-C or
Ctrl-D hangs up. Lines from a script on standard input are said one after the other. Where the server talks over a
relay, you see words as they are spoken, and what you type while the agent speaks interrupts it. What you type is not
shown if the question is sensitive (on a relay: if the API of the server opens here). A transfer rings people who do
what --transfer says. Against `voiceagent dev` on this machine, signals reach the call while it waits for you,
and text messages are shown.
"""

import argparse
import asyncio
import math
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.cli.json_output import add_json
from orchestrator.cli.live_sids import live_sids
from orchestrator.cli.numbers import pace
from orchestrator.cli.server_argument import add_url, names_server, url_in
from orchestrator.cli.transfer_argument import OUTCOMES, colleagues, transfer_outcome
from orchestrator.client import ApiRefused
from orchestrator.settings import Settings, load_settings

if TYPE_CHECKING:
    from orchestrator.provider_simulator import PlaybackSpeed

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SPEECH_CHARACTERS_PER_SECOND = 15.0
TYPING_SECONDS = 3.0
"""Added to the time that a question waits until a person has begun to type, after they have read what was said."""
RINGING_SECONDS = 4.0
TALKING_SECONDS = 2.0
OF_THE_PHONE = {
    "from_number": "--from", "to_number": "--to", "call_sid": "--call-sid", "timeouts": "--timeouts",
    "transfer": "--transfer", "token": "--token", "public_url": "--public-url", "channel": "--channel",
    "pace": "--pace",
}  # fmt: skip
"""What a call that one makes takes, and none that is shown."""
A_SERVER = "Did you mean a server? Then say --url."
NOT_FOUND = 404
EXIT_CODES = {
    0: "the call ended well, or was shown",
    1: "the call failed, or the server refused it; there is no such call to show",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent call`."""
    word = parser.add_argument("word", nargs="?", metavar="SID|URL", help="show this call; or the same as --url URL")
    word.completer = live_sids  # type: ignore[attr-defined]
    add_url(parser)
    add_json(parser)
    parser.add_argument("--from", dest="from_number", metavar="NUMBER", help="call from this number")
    parser.add_argument("--to", dest="to_number", metavar="NUMBER", help="call this number")
    parser.add_argument("--call-sid", metavar="SID", help="continue this call instead of making a new one")
    parser.add_argument(
        "--timeouts",
        action=argparse.BooleanOptionalAction,
        help="a question not answered in its own time is silence, and telephones ring for as long as they would "
        "(default: at a terminal you have more time, to read and to begin to type; --no-timeouts: a question waits)",
    )
    parser.add_argument(
        "--transfer",
        type=transfer_outcome,
        action="append",
        default=[],
        metavar="[NUMBER=]OUTCOME",
        help=f"what somebody does who is rung: {', '.join(OUTCOMES)} (default: answered)",
    )
    parser.add_argument("--token", help="sign with this (default: TWILIO_AUTH_TOKEN)")
    parser.add_argument(
        "--public-url",
        metavar="URL",
        help="the server's own PUBLIC_BASE_URL, which signatures cover "
        "(default: PUBLIC_BASE_URL when a server on this machine is called, else URL)",
    )
    parser.add_argument(
        "--channel",
        choices=["gather", "relay"],
        help="refuse a server that talks otherwise (default: talk as the server does, by its VOICE_CHANNEL)",
    )
    parser.add_argument(
        "--pace",
        type=pace,
        metavar="CHARACTERS",
        help="on a relay: how many characters the agent says in a second, 0 for all at once "
        "(default: 15 at a terminal, 0 for a script)",
    )


def run(args: argparse.Namespace) -> int:
    """Make the call, or show one. Return 0 when it ended well, 1 when it failed."""
    settings = load_settings()
    if args.word and not names_server(args.word):
        return _show(args, settings)
    return _talk(args, settings)


def _show(args: argparse.Namespace, settings: Settings) -> int:
    """Show the call. Its SID is what names no server."""
    from orchestrator.cli.calls import show_call

    if given := [option for name, option in OF_THE_PHONE.items() if getattr(args, name) not in (None, [])]:
        args.refuse(f"{args.word} is taken as a call to show, and {given[0]} is for one that you make. {A_SERVER}")
    try:
        return show_call(args.word, args, settings, full=True)
    except ApiRefused as error:
        if error.status != NOT_FOUND:
            raise
        raise ApiRefused(f"{error} {A_SERVER}", status=error.status, kind=error.kind) from None


def _talk(args: argparse.Namespace, settings: Settings) -> int:
    from orchestrator.cli.sensitive_questions import SensitiveQuestions
    from orchestrator.cli.speaker_names import SpeakerNames
    from orchestrator.cli.terminal_phone import TerminalPhone
    from orchestrator.provider_simulator import PATIENT, CallIdentity, PhoneLine

    is_person = sys.stdin.isatty()
    url = url_in(args, settings, args.word)
    given = {name: getattr(args, name) for name in ("call_sid", "from_number", "to_number")}
    account = {"account_sid": settings.twilio_account_sid}
    identity = CallIdentity(**{name: value for name, value in (given | account).items() if value})
    line = PhoneLine(
        url,
        args.token or token_of(settings),
        identity=identity,
        public_url=args.public_url or public_url_of(url, settings),
        retry=PATIENT,
        speed=playback_speed(args.pace, args.timeouts, is_person=is_person),
        colleagues=colleagues(args.transfer, TALKING_SECONDS if is_person else 0),
    )
    names = SpeakerNames(settings) if urlsplit(url).hostname in LOOPBACK else None
    questions = SensitiveQuestions(url, settings)
    phone = TerminalPhone(line, url, channel=args.channel, names=names, questions=questions, as_json=args.json)
    return asyncio.run(phone.talk(_exchange_of(url, settings)))


def playback_speed(pace: float | None, timeouts: bool | None, *, is_person: bool) -> "PlaybackSpeed":
    """Return how fast the call runs. A script waits for nothing, unless with `--timeouts` its next line is late."""
    from orchestrator.provider_simulator import PlaybackSpeed

    if not is_person:
        return PlaybackSpeed(characters_per_second=pace or None, timeouts=timeouts is True)
    return PlaybackSpeed(
        characters_per_second=(SPEECH_CHARACTERS_PER_SECOND if pace is None else pace) or None,
        timeouts=timeouts is not False,
        typing_seconds=0 if timeouts else TYPING_SECONDS,
        reading_characters_per_second=None if timeouts else SPEECH_CHARACTERS_PER_SECOND,
        longest_ring_seconds=math.inf if timeouts else RINGING_SECONDS,
    )


def _exchange_of(url: str, settings: Settings) -> str | None:
    """Return where the simulated provider of a development server may be, which can change this call."""
    from orchestrator.provider_simulator.exchange import exchange_url

    if urlsplit(url).hostname not in LOOPBACK:
        return None
    return settings.twilio_api_base_url if settings.has_simulated_provider else exchange_url(url)


def token_of(settings: Settings) -> str | None:
    """Return the token that webhooks are signed with, unless the command line names another."""
    return settings.twilio_auth_token.get_secret_value() if settings.twilio_auth_token else None


def public_url_of(url: str, settings: Settings) -> str:
    """Return the URL that the server at `url` considers its own."""
    return settings.public_base_url or url if urlsplit(url).hostname in LOOPBACK else url
