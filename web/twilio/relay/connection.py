"""The sending side of one WebSocket, bounded in time and memory.

Nothing is queued here. A reply waits in the reply hub, where its length is bounded, until its frames can be sent. So a
peer that does not read costs us the transport's buffer of about 64 kB and no more.
"""

import asyncio
import contextlib
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect

from web.ping_extension import PING

logger = logging.getLogger(__name__)

PEER_CLOSE_SECONDS = 5.0
"""How long the peer may take to answer our Close with its own."""
PEER_ERRORS = (1007, 1008, 1009)
"""Close codes for what the peer did wrong: nothing more is read from it."""


class ConnectionLost(Exception):
    """The WebSocket is closed, or its peer does not read."""


class RelayConnection:
    """Sends frames. `limit` is the timeout of the task that reads the socket: the connection is closed through it.

    It is also closed if the peer does not read what is sent for `write_seconds`. `instead_of` is the ingress that had
    the call's connection before, or "".
    """

    def __init__(self, websocket: WebSocket, limit: asyncio.Timeout, *, write_seconds: float) -> None:
        self._write_seconds = write_seconds
        self._websocket = websocket
        self._limit = limit
        self.close_code = 1000
        self.close_reason = ""
        self.instead_of = ""
        self._closing: asyncio.Task[None] | None = None

    @property
    def provider(self) -> str:
        """The provider by the route of its socket: `twilio`, …"""
        return str(self._websocket.scope["path"]).strip("/").partition("/")[0]

    async def send(self, *frames: str) -> None:
        """Send frames in order. Raises `ConnectionLost`."""
        try:
            async with asyncio.timeout(self._write_seconds):
                for frame in frames:
                    await self._websocket.send_text(frame)
        except TimeoutError:
            logger.warning("Closing a relay socket that is not read", extra={"action": "relay.write_timed_out"})
            self.close(1008, "frames are not read")
            raise ConnectionLost from None
        except (WebSocketDisconnect, RuntimeError, OSError):  # closed while we were sending
            raise ConnectionLost from None

    async def answers_ping(self, seconds: float) -> bool:
        """True if the peer answers a ping within `seconds`, or if the server cannot send pings.

        False for a connection that is being closed.
        """
        ping = self._websocket.scope.get("extensions", {}).get(PING)
        if self.close_reason:
            return False
        if ping is None:
            return True
        try:
            async with asyncio.timeout(seconds):
                await ping()
        except (TimeoutError, ConnectionError):
            return False
        return True

    def close(self, code: int, reason: str) -> None:
        """Start to close the socket with this code; the first call decides the code and the reason.

        Frames are read until the peer's own Close comes, for `PEER_CLOSE_SECONDS` at most. After an error of the peer's
        none are.
        """
        if not self.close_reason:
            self.close_code, self.close_reason = code, reason
            self._closing = asyncio.create_task(self._close(), name="close relay socket")

    async def _close(self) -> None:
        await self.send_close()
        seconds = 0.0 if self.close_code in PEER_ERRORS else PEER_CLOSE_SECONDS
        with contextlib.suppress(RuntimeError):  # the reading task has ended meanwhile
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def wait_closed(self) -> None:
        """Return when the task that `close` started, if it did, has sent the Close."""
        if self._closing is not None:
            await asyncio.wait({self._closing})

    def close_after(self, seconds: float) -> None:
        """Expect the peer to close the socket, because the session is over. Close it ourselves after `seconds`."""
        if not self.close_reason:
            self.close_reason = "the session is over"
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def send_close(self, seconds: float = 1.0) -> None:
        """Send the Close frame. Return after `seconds` at the latest, and also when the peer is gone."""
        try:
            async with asyncio.timeout(seconds):
                await self._websocket.close(self.close_code, self.close_reason)
        except (TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            return
