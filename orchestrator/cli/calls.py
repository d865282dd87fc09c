"""List the live calls of a server, or show what was said in one.

The server is asked over its API: set API_KEY where it has one.
"""

import argparse
import json
import sys
from datetime import datetime
from typing import Any
from urllib.parse import quote

from orchestrator.cli.call import server_url
from orchestrator.cli.colors import Colors
from orchestrator.cli.transcript import Transcript, printable
from orchestrator.clock import utc_now
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import VoiceAgentError
from orchestrator.settings import load_settings

TIMEOUT_SECONDS = 15
LIMIT = 1000
NO_KEY = 401
HEADINGS = ("CALL", "SINCE", "TURNS", "CHANNEL", "PHASE")


class ServerRefused(VoiceAgentError):
    """The server did not answer as it should. Check its address and API_KEY."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent calls`."""
    parser.add_argument("call_sid", nargs="?", metavar="SID", help="show this call (default: list all)")
    parser.add_argument("--timings", action="store_true", help="show with the SID when each turn reached its stages")
    parser.add_argument("--url", metavar="URL", help="the server to ask (default: http://127.0.0.1:PORT)")


def run(args: argparse.Namespace) -> int:
    """Print the list, or one call. A URL in place of the SID is taken as the server."""
    settings = load_settings()
    call_sid, url = args.call_sid, args.url
    if call_sid and "://" in call_sid:
        call_sid, url = None, call_sid
    key = settings.api_key.get_secret_value() if settings.api_key else None
    server = server_url(url, settings)
    colors = Colors(sys.stdout)
    if call_sid:
        found = _get(f"{server}/calls/{quote(call_sid, safe='')}", key)
        state = ConversationState.model_validate_json(found.content)
        lines = Transcript(state, colors, timings=args.timings).lines()
    else:
        lines = table(_get(f"{server}/calls?limit={LIMIT}", key).json(), colors)
    print(*lines, sep="\n")
    return 0


def table(listing: dict[str, Any], colors: Colors) -> list[str]:
    """Return the live calls as lines, in the server's order: newest first."""
    if not listing["calls"]:
        return ["No live calls. Make one with `voiceagent call`."]
    rows = [HEADINGS, *(_row(call) for call in listing["calls"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    heading, *lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    more = listing["count"] - len(listing["calls"])
    return [colors(heading, "dim"), *lines, *([f"… and {more} more"] if more > 0 else [])]


def _row(call: dict[str, Any]) -> tuple[str, ...]:
    since = utc_now() - datetime.fromisoformat(call["created_at"])
    minutes, seconds = divmod(max(0, round(since.total_seconds())), 60)
    return (
        printable(call["call_sid"]),
        f"{minutes}:{seconds:02}",
        str(call["turns"]),
        printable(call["channel"]),
        printable(call["phase"]) or "-",
    )


def _get(url: str, key: str | None) -> Any:
    import httpx

    from orchestrator.provider_simulator.webhooks import NEVER_PROXIED

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, mounts=dict.fromkeys(NEVER_PROXIED)) as client:
            response = client.get(url, headers=headers)
    except httpx.ConnectError:
        server = url.partition("/calls")[0]
        raise ServerRefused(f"Nothing answers at {server}. Start it with `make run`.") from None
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise ServerRefused(f"GET {url} failed: {error or type(error).__name__}.") from None
    if response.is_success:
        return response
    if response.status_code == NO_KEY:
        raise ServerRefused(f"{url.partition('/calls')[0]} {why_not_let_in(key)}")
    raise ServerRefused(_reason(response.status_code, response.text, url))


def why_not_let_in(key: str | None) -> str:
    """Return what is wrong with the key that a server's API answered with 401."""
    if not key:
        return "requires a key, and none is set here. Set API_KEY to the server's (`voiceagent dev` shows its own)."
    return "has another key than the API_KEY that is set here. Set it to the server's."


def _reason(status: int, body: str, url: str) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"GET {url} answered {status}. Is that a VoiceAgent server?"
