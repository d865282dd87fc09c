"""Be the caller: talk to an agent from this terminal, as a telephone provider would let you.

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

from orchestrator.cli.numbers import pace
from orchestrator.cli.transfer_argument import OUTCOMES, colleagues, transfer_outcome
from orchestrator.settings import Settings, load_settings

if TYPE_CHECKING:
    from orchestrator.provider_simulator import PlaybackSpeed

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SPEECH_CHARACTERS_PER_SECOND = 15.0
TYPING_SECONDS = 3.0
"""Added to the time that a question waits until a person has begun to type, after they have read what was said."""
RINGING_SECONDS = 4.0
TALKING_SECONDS = 2.0
EXIT_CODES = {
    0: "the call ended well",
    1: "the call failed, or the server refused it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent call`."""
    parser.add_argument("url", nargs="?", metavar="URL", help="the server to call (default: http://127.0.0.1:PORT)")
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
    """Make the call. Return 0 when it ended well, 1 when it failed."""
    from orchestrator.cli.sensitive_questions import SensitiveQuestions
    from orchestrator.cli.speaker_names import SpeakerNames
    from orchestrator.cli.terminal_phone import TerminalPhone
    from orchestrator.provider_simulator import PATIENT, CallIdentity, PhoneLine

    settings, is_person = load_settings(), sys.stdin.isatty()
    url = server_url(args.url, settings)
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
    phone = TerminalPhone(line, url, channel=args.channel, names=names, questions=questions)
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


def server_url(given: str | None, settings: Settings) -> str:
    """Return the URL of the server that a command talks to: the one given, or the one on this machine."""
    if not given:
        return f"http://127.0.0.1:{settings.port}"
    url = given if "://" in given else f"http://{given}"
    return url.rstrip("/")


def token_of(settings: Settings) -> str | None:
    """Return the token that webhooks are signed with, unless the command line names another."""
    return settings.twilio_auth_token.get_secret_value() if settings.twilio_auth_token else None


def public_url_of(url: str, settings: Settings) -> str:
    """Return the URL that the server at `url` considers its own."""
    return settings.public_base_url or url if urlsplit(url).hostname in LOOPBACK else url
