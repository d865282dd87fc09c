"""WebSockets as uvicorn serves them, but what a peer sends before it has answered our Close reaches the application.

RFC 6455, 5.5.1: who has sent a Close sends nothing more, and takes what comes until the other side's Close. uvicorn
drops that, and tells the application at once that its peer has gone: a caller's words that cross a leaving ingress's
Close would be lost.
"""

import asyncio
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class HalfClosingWebSocket(WebSocketsSansIOProtocol):
    """After `websocket.close` the application goes on receiving: messages, and `websocket.disconnect` once the peer has
    closed, too, or has not done so within `close_timeout`."""

    has_returned = False

    @property
    def is_unreadable(self) -> bool:
        """Whether what asked for the upgrade cannot open a WebSocket: it has a body, or a line that is too long.

        uvicorn does not look at that, tells nobody, and would leave the connection open for good.
        """
        return self.conn.handshake_exc is not None and not self.handshake_initiated

    async def send(self, message: ASGISendEvent) -> None:
        """Send; a Close of an open socket leaves the receiving side as it is."""
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
        """Pass a message on, as long as there is somebody to take it."""
        was_closed, self.close_sent = self.close_sent, self.has_returned
        try:
            super().send_receive_event_to_app()
        finally:
            self.close_sent = self.close_sent or was_closed

    def on_task_complete(self, task: "asyncio.Task[Any]") -> None:
        """The application receives no more: what still comes is read up to the peer's Close, and forgotten."""
        self.has_returned = True
        super().on_task_complete(task)
        if self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()
