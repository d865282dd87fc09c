"""WebSockets whose application can ping the peer, in addition to uvicorn's keepalive."""

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
    """A WebSocket with the ASGI extension `PING`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._pings: dict[bytes, asyncio.Future[None]] = {}

    def handle_connect(self, event: Request) -> None:
        """Put the ping into the scope before the application's task starts."""
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][PING] = self.ping

    async def send(self, message: ASGISendEvent) -> None:
        """Mark a refused upgrade as complete: uvicorn would log an error that it is not."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    def handle_pong(self, event: Frame) -> None:
        """Take the answer to one of our pings, or to the keepalive's."""
        waiting = self._pings.pop(bytes(event.data), None)
        if waiting is None:
            super().handle_pong(event)
        elif not waiting.done():
            waiting.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail all pings that wait for an answer."""
        super().connection_lost(exc)
        for waiting in self._pings.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("The socket is closed."))
        self._pings.clear()

    async def ping(self) -> None:
        """See `PING`."""
        if self.close_sent or self.disconnected or self.transport.is_closing() or self.conn.state is not State.OPEN:
            raise ConnectionError("The socket is closed.")
        payload = os.urandom(PAYLOAD_BYTES)  # longer than the keepalive's
        waiting: asyncio.Future[None] = self.loop.create_future()
        self._pings[payload] = waiting
        try:
            self.conn.send_ping(payload)
            self.transport.write(b"".join(self.conn.data_to_send()))
            await waiting
        finally:
            self._pings.pop(payload, None)
