"""Be many callers: load a server, see how long it takes to answer, and audit that no turn was lost or doubled.

Every call says --turns different things. At the end the state of each call is read over the API (set
API_KEY where the server has one) and compared with what the callers were answered. Ctrl-C hangs up and
prints what there is; a second one leaves at once.
"""

import argparse
import asyncio
import signal
import sys
import time
from random import Random
from typing import TYPE_CHECKING, get_args

from orchestrator.cli.call import public_url_of, token_of
from orchestrator.cli.json_output import add_json, print_json
from orchestrator.cli.numbers import count, not_negative, positive, share
from orchestrator.cli.server_argument import add_url, url_in
from orchestrator.load.arrivals import Arrival, pauses
from orchestrator.settings import Settings, load_settings
from orchestrator.tasks import cancel_and_wait

if TYPE_CHECKING:
    from orchestrator.load.load_run import LoadRun
    from orchestrator.load.results import CallResults
    from orchestrator.load.summary import Summary

CHANNELS = ("gather", "relay", "api")
REFRESH_SECONDS = 0.2
LINE_SECONDS = 5.0
EXIT_CODES = {
    0: "every turn was answered, once",
    1: "a turn was lost, doubled or not answered",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent load`."""
    add_url(parser, as_word=True)
    parser.add_argument("--calls", type=count, default=100, metavar="N", help="how many calls (default: %(default)s)")
    parser.add_argument("--turns", type=count, default=5, metavar="M", help="turns of each (default: %(default)s)")
    parser.add_argument("--channel", choices=CHANNELS, default="gather", help="how to talk (default: %(default)s)")
    parser.add_argument(
        "--arrival", choices=get_args(Arrival), default="ramp",
        help="all at once, evenly, or at random (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--rate", type=positive, default=20.0, metavar="R",
        help="calls that begin a second, for ramp and poisson (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--think", type=not_negative, default=0.0, metavar="S", help="seconds before each turn (default: %(default)g)"
    )
    parser.add_argument(
        "--interrupt", type=share, default=0.0, metavar="SHARE",
        help="on a relay: the share of answers that callers cut off, 0 to 1 (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--pace", type=not_negative, default=0.0, metavar="CHARACTERS",
        help="on a relay: how many characters the agent says in a second (default: 0, all at once)",
    )  # fmt: skip
    parser.add_argument("--token", help="sign with this (default: TWILIO_AUTH_TOKEN)")
    parser.add_argument("--public-url", metavar="URL", help="the server's own PUBLIC_BASE_URL, which signatures cover")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Load the server. Return 0 when all went well, 1 when not, 130 when interrupted."""
    outcome = asyncio.run(_load(args, load_settings()))
    if args.json:
        print_json(outcome.figures())
    else:
        print(*outcome.lines(), sep="\n")
    if outcome.interrupted:
        return 130
    return 0 if outcome.is_sound else 1


async def _load(args: argparse.Namespace, settings: Settings) -> "Summary":
    from orchestrator.load.audit import Auditor
    from orchestrator.load.callers import Caller, PhoneCaller, Script, Server, TextCaller
    from orchestrator.load.load_run import LoadRun
    from orchestrator.load.relay_caller import RelayBehaviour, RelayCaller
    from orchestrator.load.results import CallResults
    from orchestrator.load.summary import Summary
    from orchestrator.provider_simulator.webhooks import new_client

    url = url_in(args, settings)
    script, results = Script(args.turns, args.think), CallResults()
    behaviour, chance = RelayBehaviour(args.interrupt, args.pace or None), Random(1)
    async with new_client() as client:
        server = Server(
            url,
            client,
            public_url=args.public_url or public_url_of(url, settings),
            auth_token=args.token or token_of(settings),
            api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        )

        def new_caller() -> Caller:
            if args.channel == "relay":
                return RelayCaller(server, script, results, behaviour, chance)
            caller = TextCaller if args.channel == "api" else PhoneCaller
            return caller(server, script, results)

        load_run = LoadRun(new_caller, pauses(args.arrival, args.calls, args.rate), results)
        began = time.perf_counter()
        await _watched(load_run, Progress(results, args.calls))
        seconds = time.perf_counter() - began
        findings = await Auditor(server, forget=args.channel == "api").audit(results.calls)
    return Summary(results, findings, seconds, load_run.is_stopped)


async def _watched(load_run: "LoadRun", progress: "Progress") -> None:
    """Run the load with its progress shown. The first Ctrl-C ends it; the second is Python's own."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        load_run.stop()
        progress.say("Hanging up. Ctrl-C again leaves at once.")

    loop.add_signal_handler(signal.SIGINT, stop)
    showing = asyncio.create_task(progress.show())
    try:
        await load_run.run()
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        await cancel_and_wait(showing)
        progress.close()


class Progress:
    """Shows progress: one line that refreshes itself on a terminal, a line from time to time elsewhere."""

    def __init__(self, results: "CallResults", calls: int) -> None:
        self._results = results
        self._calls = calls
        self._began = time.perf_counter()
        self._on_terminal = sys.stderr.isatty()

    async def show(self) -> None:
        """Show it until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS if self._on_terminal else LINE_SECONDS)
            line = self._line()
            print(f"\r\x1b[2K{line}" if self._on_terminal else line, end="" if self._on_terminal else "\n",
                  file=sys.stderr, flush=True)  # fmt: skip

    def say(self, text: str) -> None:
        """Print a line between two refreshes."""
        print(f"\r\x1b[2K{text}" if self._on_terminal else text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the refreshing line."""
        if self._on_terminal:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)

    def _line(self) -> str:
        results = self._results
        answered = [turn.answered for turn in results.turns if turn.answered is not None]
        seconds = time.perf_counter() - self._began
        latest = sorted(answered[-200:])
        p95 = f", p95 {1000 * latest[int(0.95 * len(latest))]:,.0f} ms" if latest else ""
        errors = sum(results.errors.values())
        return (
            f"{seconds:4.0f} s  {len(results.calls)}/{self._calls} calls begun, {results.live} live, "
            f"{len(answered)} turns ({len(answered) / seconds:.0f}/s{p95})" + (f", {errors} errors" if errors else "")
        )
