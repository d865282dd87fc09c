"""Be the caller: talk to an agent from this terminal, as a telephone provider would let you.

What you type is said to the agent. #123 presses the keys 1, 2 and 3; an empty line is silence. Ctrl-C or
Ctrl-D hangs up. Lines from a script on standard input are said one after the other. Where the server talks over a
relay, you see words as they are spoken, and what you type while the agent speaks interrupts it.
"""

import argparse
import asyncio
import sys
from urllib.parse import urlsplit

from orchestrator.cli.numbers import pace
from orchestrator.settings import Settings, load_settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SPEECH_CHARACTERS_PER_SECOND = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent call`."""
    parser.add_argument("url", nargs="?", metavar="URL", help="the server to call (default: http://127.0.0.1:PORT)")
    parser.add_argument("--from", dest="from_number", metavar="NUMBER", help="call from this number")
    parser.add_argument("--to", dest="to_number", metavar="NUMBER", help="call this number")
    parser.add_argument("--call-sid", metavar="SID", help="continue this call instead of making a new one")
    parser.add_argument("--timeouts", action="store_true", help="a question not answered in time is silence")
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
    from orchestrator.cli.speaker_names import SpeakerNames
    from orchestrator.cli.terminal_phone import TerminalPhone
    from orchestrator.provider_simulator import PATIENT, CallIdentity, PhoneLine, PlaybackSpeed

    settings = load_settings()
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
        speed=PlaybackSpeed(
            characters_per_second=_characters_per_second(args.pace) or None,
            timeouts=args.timeouts and sys.stdin.isatty(),
        ),
    )
    names = SpeakerNames(settings) if urlsplit(url).hostname in LOOPBACK else None
    return asyncio.run(TerminalPhone(line, url, channel=args.channel, names=names).talk())


def _characters_per_second(given: float | None) -> float:
    if given is not None:
        return given
    return SPEECH_CHARACTERS_PER_SECOND if sys.stdin.isatty() else 0


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
