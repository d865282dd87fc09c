"""Shows something again and again: in its place at a terminal, else one after the other."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from orchestrator.errors import StoreUnavailable

EVERY_SECONDS = 1.0
CLEAR_SCREEN = "\x1b[H\x1b[J"


async def watch(text: Callable[[], Awaitable[str]], *, in_place: bool) -> int:
    """Print what `text` returns each second, until cancelled. A store that does not answer is told, and asked again."""
    while True:
        try:
            shown = await text()
        except StoreUnavailable as error:
            print(f"voiceagent: {error}", file=sys.stderr)
        else:
            print(f"{CLEAR_SCREEN if in_place and sys.stdout.isatty() else ''}{shown}", flush=True)
        await asyncio.sleep(EVERY_SECONDS)
