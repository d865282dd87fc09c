"""A stream of server-sent events that goes on until its client leaves, its key is no good any more, or this process
drains."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from orchestrator.masking import masked
from web.api.client_presence import while_connected
from web.api.key import check_key
from web.api.masked_response import MaskableResponse
from web.api.stream import EVENT_STREAM
from web.ingress import Ingress
from web.live.event_text import RETRY

SLOW_READER_SECONDS = 60.0
"""The connection itself is closed earlier (`web.connection_limits`): this holds for what stands before it."""


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


def may_go_on(ingress: Ingress, request: Request) -> bool:
    """Return True while the process does not drain and the request's key or session still allows to read."""
    limits = getattr(request.app.state, "connection_limits", None)
    if ingress.drain_status.is_draining or (limits is not None and limits.leaving):
        return False
    try:
        check_key(request, ingress.settings, "read")
    except HTTPException:
        return False
    return True


def _body(text: str, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": text.encode(errors="replace"), "more_body": more}
