"""A stream of server-sent events that goes on until its client leaves, its key is no good any more, or this process
drains."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from orchestrator.masking import masked
from web.api.client_presence import while_connected
from web.api.key import check_key
from web.api.masked_response import MaskableResponse
from web.ingress import Ingress

EVENT_STREAM = "text/event-stream"
HEARTBEAT = ": still here\n\n"
RETRY = "retry: 1000\n\n"
"""Have browsers connect again after a second (ms)."""
SLOW_READER_SECONDS = 30.0


class EventStream(MaskableResponse):
    """Sends `events`, each a whole event as text. Whoever does not read for `SLOW_READER_SECONDS` is disconnected."""

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        super().__init__(media_type=EVENT_STREAM, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they end, or the client has gone."""
        with contextlib.suppress(ClientDisconnect, TimeoutError):
            await while_connected(receive, self._send_all(send, is_head=scope["method"] == "HEAD"))

    async def _send_all(self, send: Send, *, is_head: bool) -> None:
        async with contextlib.aclosing(self._events) as events:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if not is_head:
                await send(_body(RETRY, more=True))
                async for text in events:
                    async with asyncio.timeout(SLOW_READER_SECONDS):
                        await send(_body(masked(text) if self.is_masked else text, more=True))
            await send(_body("", more=False))


def event_of(name: str, content: Any) -> str:
    """Return an event whose data is `content`, or JSON that is text already."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return f"event: {name}\ndata: {text}\n\n"


def may_go_on(ingress: Ingress, request: Request) -> bool:
    """True while the process does not drain and the request's key or session still allows to read."""
    limits = getattr(request.app.state, "connection_limits", None)
    if ingress.drain_status.is_draining or (limits is not None and limits.leaving):
        return False
    try:
        check_key(request, ingress.settings, "read")
    except HTTPException:
        return False
    return True


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Return once the event is set, at the latest after `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _body(text: str, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": text.encode(errors="replace"), "more_body": more}
