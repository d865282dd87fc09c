"""Watch a deployment live in this terminal: its health, what is wrong, its processes and its calls.

  voiceagent top                    the server on this machine
  voiceagent top https://…          another one; set API_KEY to a key of it that may read
  voiceagent top --json             each update as a line of JSON, for machines
  voiceagent top | cat              as it is now, once

Arrows, page up and page down choose a call, Enter shows what is said in it, Escape goes back, q quits. The calls that
fail or wait stand first. The same over the API: GET /live.
"""

import argparse
import asyncio
import json
import sys

from orchestrator.cli.colors import Colors, TerminalPreferences
from orchestrator.cli.server import TIMEOUT_SECONDS, asked, explained, key_of
from orchestrator.cli.server_argument import add_url, url_in
from orchestrator.cli.top_frame import snapshot
from orchestrator.cli.top_session import TopSession
from orchestrator.cli.top_state import LiveState
from orchestrator.client import ApiUnreachable, Client
from orchestrator.clock import now
from orchestrator.settings import Settings, load_settings

PIPE_COLUMNS = 160
"""How wide a line may be where there is no terminal."""

EXIT_CODES = {
    0: "it was shown",
    1: "the server does not answer, or refuses",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent top`."""
    add_url(parser, as_word=True)
    parser.add_argument("--json", action="store_true", help="for machines: each event of GET /live as a line")


def run(args: argparse.Namespace) -> int:
    """Show the deployment until the person quits; once if there is no terminal."""
    settings = load_settings()
    url = url_in(args, settings)
    if args.json:
        return asked(url, settings, _print_events, timeout_seconds=TIMEOUT_SECONDS)
    if not (sys.stdout.isatty() and sys.stdin.isatty()) or TerminalPreferences().term in ("", "dumb"):
        state = asked(url, settings, _first_state)
        for text, style in snapshot(state, url, PIPE_COLUMNS, now()):
            print(Colors(sys.stdout)(text, style) if style else text)
        return 0
    with explained(url, settings):
        asyncio.run(_watch(url, settings))
    return 0


async def _watch(url: str, settings: Settings) -> None:
    async with Client(url, key_of(settings), timeout_seconds=TIMEOUT_SECONDS) as client:
        await TopSession(client, url).run()


async def _print_events(client: Client) -> int:
    async for event in client.live():
        print(json.dumps({"event": event.name, "data": event.data}), flush=True)
    return 0


async def _first_state(client: Client) -> LiveState:
    """Return the deployment as it is now."""
    state = LiveState()
    async for event in client.live():
        state.take(event)
        if state.is_whole:
            return state
    raise ApiUnreachable("The server ended the stream before it had told anything: it is about to stop.")
