"""Completes the SID of a live call, which the server is asked for."""

import argparse
from contextlib import suppress

from orchestrator.errors import VoiceAgentError

MOST = 50
SECONDS = 1.0
"""A shell waits for the answer while somebody looks at the line."""


def live_sids(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """Return the SIDs of live calls that begin with `prefix`, the newest first; none if the server does not tell."""
    from orchestrator.cli.server import asked
    from orchestrator.cli.server_argument import server_url
    from orchestrator.settings import load_settings

    with suppress(VoiceAgentError, ValueError):
        settings = load_settings()
        url = server_url(parsed_args.url, settings)
        found = asked(url, settings, lambda client: client.list_calls(MOST), timeout_seconds=SECONDS)
        return [sid for call in found["calls"] if (sid := str(call["call_sid"])).startswith(prefix) and sid.isascii()]
    return []
