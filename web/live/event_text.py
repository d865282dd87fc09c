"""Server-sent events as text (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
import contextlib
import json
from typing import Any

HEARTBEAT = ": still here\n\n"
RETRY = "retry: 1000\n\n"
"""Have browsers connect again after a second (ms)."""


def event_of(name: str, content: Any) -> str:
    """Return an event whose data is `content`, or JSON that is text already."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return f"event: {name}\ndata: {text}\n\n"


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Return once the event is set, at the latest after `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
