"""uvicorn's WebSockets, but after our Close the application still receives what the peer sends until its own Close.

RFC 6455, section 5.5.1: an endpoint that sent a Close sends no more data, and may receive data until the peer's Close.
uvicorn drops that data, and reports a disconnect to the application at once. The words of a caller who speaks while a
draining ingress closes the socket would be lost.
"""

import asyncio
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class HalfClosingWebSocket(WebSocketsSansIOProtocol):
    """After `websocket.close` the application still receives messages. `websocket.disconnect` follows once the peer has
    sent its Close, or `close_timeout` has passed."""

    has_returned = False

    @property
    def is_unreadable(self) -> bool:
        """True if the upgrade request cannot open a WebSocket: it has a body, or a line that is too long.

        uvicorn does not check that, and would keep the connection open without an answer.
        """
        return self.conn.handshake_exc is not None and not self.handshake_initiated

    async def send(self, message: ASGISendEvent) -> None:
        """Send. A Close of an open socket leaves the receiving side open."""
        is_open = self.handshake_complete and self.initial_response is None and not self.close_sent
        if message["type"] != "websocket.close" or not is_open:
            await super().send(message)
            return
        await self.writable.wait()
        if self.disconnected or self.transport.is_closing():
            raise ClientDisconnected
        self.conn.send_close(message.get("code") or 1000, message.get("reason") or "")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)

    def send_receive_event_to_app(self) -> None:
        """Pass a message on while the application can receive it, also after our Close."""
        was_closed, self.close_sent = self.close_sent, self.has_returned
        try:
            super().send_receive_event_to_app()
        finally:
            self.close_sent = self.close_sent or was_closed

    def on_task_complete(self, task: "asyncio.Task[Any]") -> None:
        """Read and discard what still comes up to the peer's Close: the application has returned."""
        self.has_returned = True
        super().on_task_complete(task)
        if self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()
