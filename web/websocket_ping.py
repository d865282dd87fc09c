"""WebSockets that can be asked whether their peer still answers: a ping of their own, beside uvicorn's keepalive."""

import asyncio
import os
from typing import Any

from uvicorn._types import ASGISendEvent
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from web.ping_extension import PING
from web.websocket_protocol import HalfClosingWebSocket

PAYLOAD_BYTES = 8


class PingableWebSocket(HalfClosingWebSocket):
    """A socket of ours, with `PING`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._pings: dict[bytes, asyncio.Future[None]] = {}

    def handle_connect(self, event: Request) -> None:
        """Offer the ping to the application, which begins in a task of its own after this."""
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][PING] = self.ping

    async def send(self, message: ASGISendEvent) -> None:
        """An upgrade that was answered by a refusal is complete: uvicorn would log an error that it is not."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    def handle_pong(self, event: Frame) -> None:
        """Of a ping that somebody waits for, or of the keepalive."""
        waiting = self._pings.pop(bytes(event.data), None)
        if waiting is None:
            super().handle_pong(event)
        elif not waiting.done():
            waiting.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody will answer any more."""
        super().connection_lost(exc)
        for waiting in self._pings.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("The socket is closed."))
        self._pings.clear()

    async def ping(self) -> None:
        """See `PING`."""
        if self.close_sent or self.disconnected or self.transport.is_closing() or self.conn.state is not State.OPEN:
            raise ConnectionError("The socket is closed.")
        payload = os.urandom(PAYLOAD_BYTES)  # the keepalive's are shorter
        waiting: asyncio.Future[None] = self.loop.create_future()
        self._pings[payload] = waiting
        try:
            self.conn.send_ping(payload)
            self.transport.write(b"".join(self.conn.data_to_send()))
            await waiting
        finally:
            self._pings.pop(payload, None)
