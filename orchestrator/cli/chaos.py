"""Kill, freeze and roll processes and cut their connections at random while callers call, then say what they noticed.

  voiceagent chaos --start              start a deployment for it, break it, stop it: one command from a clone
  voiceagent chaos                      the one that runs here, on http://127.0.0.1:PORT
  voiceagent chaos URL --kinds kill,cut --seconds 300 --seed 7

Only a deployment of your own on this machine is harmed: web, workers and Redis must all run here, as your user.
Something must start processes again that have ended (`voiceagent dev` does). Each fault is printed as it happens. At
the end the state of each call is compared with what its caller heard. Ctrl-C ends the run early, with its outcome; a
second one at once. Nothing stays frozen, whatever happens.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.cli.call import public_url_of, token_of
from orchestrator.cli.colors import Colors
from orchestrator.cli.numbers import count, positive
from orchestrator.cli.redis_target import with_used_redis
from orchestrator.cli.server import key_of
from orchestrator.cli.server_argument import add_url, url_in
from orchestrator.cli.transcript import printable
from orchestrator.errors import BadSetting
from orchestrator.settings import Settings, load_settings

if TYPE_CHECKING:
    from orchestrator.chaos.faults import Fault, Kind
    from orchestrator.chaos.judgement import Judgement

KINDS = ("kill", "freeze", "roll", "cut")
AUDIT_SECONDS = 120
"""A call that has ended must be there so much longer than the run lasts, for the audit."""
INTERRUPTED = 130
EXIT_CODES = {
    0: "nothing was lost, doubled, out of order or wrong",
    1: "something was",
    2: "wrong usage, or not yours to harm",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent chaos`."""
    add_url(parser, as_word=True)
    parser.add_argument("--start", action="store_true", help="start a deployment for it, and stop it at the end")
    parser.add_argument(
        "--seconds", type=positive, default=60.0, metavar="S",
        help="how long faults and calls go on (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument("--seed", type=count, default=1, metavar="N", help="which faults come (default: %(default)s)")
    parser.add_argument(
        "--every", type=positive, default=2.0, metavar="S", help="mean seconds between two (default: %(default)g)"
    )
    parser.add_argument("--calls", type=count, default=20, metavar="N", help="callers at once (default: %(default)s)")
    parser.add_argument("--kinds", type=_kinds, default=KINDS, metavar="KINDS", help=f"of {','.join(KINDS)} (all)")
    parser.add_argument("--channel", choices=("gather", "relay"), help="how to talk (default: VOICE_CHANNEL)")
    parser.add_argument("--token", help="sign with this (default: TWILIO_AUTH_TOKEN)")
    parser.add_argument("--public-url", metavar="URL", help="the server's own PUBLIC_BASE_URL, which signatures cover")
    parser.add_argument("--yes-this-is-mine", action="store_true", help="even if ENVIRONMENT is production")
    parser.add_argument("--json", action="store_true", help="print each fault, and at the end all, as a line of JSON")


def run(args: argparse.Namespace) -> int:
    """Break it. Return 0 when the run was clean, 1 when not, 130 when interrupted."""
    from orchestrator.chaos.ownership import check_target

    if args.start:
        if args.url or args.url_word:
            args.refuse("--start starts a deployment of its own: give no URL.")
        from orchestrator.cli.chaos_deployment import run_on_own

        return asyncio.run(run_on_own(args, lambda url, settings: attack(args, url, settings)))
    settings = with_used_redis(load_settings(**({"voice_channel": args.channel} if args.channel else {})))
    url = url_in(args, settings)
    check_target(url, settings, is_mine=args.yes_this_is_mine)
    if args.seconds + AUDIT_SECONDS > settings.ended_ttl:
        raise BadSetting(
            f"Calls that have ended are kept for {settings.ended_ttl} s here (ENDED_CALL_TTL_SECONDS), too "
            f"short for an audit after {args.seconds:g} s. Choose fewer seconds."
        )
    return asyncio.run(attack(args, url, settings))


async def attack(args: argparse.Namespace, url: str, settings: Settings) -> int:
    """Run against the server at `url`, and print. Return the exit code."""
    from orchestrator.chaos.run import RETRY, ChaosRun, Interrupted, Options
    from orchestrator.load.callers import Server
    from orchestrator.provider_simulator.webhooks import new_client

    report = Report(as_json=args.json)
    least = {"ingress": 2, "worker": 2} if args.start else {"ingress": 1, "worker": 1}
    options = Options(args.seconds, args.seed, args.every, args.calls, args.kinds, least)
    async with new_client() as http:
        server = Server(
            url,
            http,
            public_url=args.public_url or public_url_of(url, settings),
            auth_token=args.token or token_of(settings),
            api_key=key_of(settings),
            begin=RETRY,
            retry=RETRY,
        )
        stop = asyncio.Event()
        chaos = ChaosRun(server, settings, options, report.fault, report.say, is_mine=args.yes_this_is_mine)
        try:
            with _interruptible(stop, report):
                judgement = await chaos.run(stop)
        except Interrupted:
            return INTERRUPTED
    report.outcome(judgement)
    if not judgement.is_clean:
        return 1
    return INTERRUPTED if stop.is_set() else 0


class Report:
    """Prints: lines for people, or a line of JSON for each fault and one for the outcome."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._colors = Colors(sys.stdout)

    def say(self, text: str) -> None:
        """Print what happens, for people."""
        if not self._as_json:
            print(f"{self._colors(_now(), 'dim')}  {text}", flush=True)

    def fault(self, fault: "Fault") -> None:
        """Print a fault as it happens."""
        if self._as_json:
            self._print({"event": "fault", **fault.as_dict()})
        else:
            print(f"{self._colors(_now(), 'dim')}  {self._colors(printable(str(fault)), 'yellow')}", flush=True)

    def outcome(self, judgement: "Judgement") -> None:
        """Print the outcome."""
        if self._as_json:
            self._print({"event": "outcome", **judgement.figures()})
        else:
            print("", *map(printable, judgement.lines()), sep="\n", flush=True)

    def _print(self, record: dict[str, Any]) -> None:
        print(json.dumps(record), flush=True)


@contextmanager
def _interruptible(stop: asyncio.Event, report: Report) -> Iterator[None]:
    """The first Ctrl-C ends the run; the second is Python's own."""
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        stop.set()
        report.say("Interrupted: no more faults. Ctrl-C again leaves at once.")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _now() -> str:
    return datetime.now().strftime("%H:%M:%S")


def _kinds(text: str) -> "Sequence[Kind]":
    kinds = [kind for kind in KINDS if kind in (wanted := text.replace(" ", "").split(","))]
    if not kinds or set(wanted) - set(kinds):
        raise argparse.ArgumentTypeError(f"{text!r} will not do: give some of {','.join(KINDS)}.")
    return kinds  # type: ignore[return-value]
