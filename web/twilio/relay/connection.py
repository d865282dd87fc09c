"""The sending side of one socket: bounded in time, so that a reader who does not read costs one buffer and no more.

Nothing is queued here. A reply waits in the hub (where its length is bounded) until its frames can be sent; the
transport's buffer, about 64 kB, is all that a slow reader holds.
"""

import asyncio
import contextlib
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect

from web.ping_extension import PING

logger = logging.getLogger(__name__)

SLOW_READER_SECONDS = 10.0
PEER_CLOSE_SECONDS = 5.0
"""How long the peer may take to answer our Close with its own."""
PEERS_FAULT = (1007, 1008, 1009)


class ConnectionLost(Exception):
    """The socket is gone, or its reader takes nothing."""


class RelayConnection:
    """Sends frames. `limit` ends the task that reads the socket: it is how the connection is given up from outside."""

    def __init__(self, websocket: WebSocket, limit: asyncio.Timeout) -> None:
        self._websocket = websocket
        self._limit = limit
        self.close_code = 1000
        self.close_reason = ""
        self._parting: asyncio.Task[None] | None = None

    async def send(self, *frames: str) -> None:
        """Send frames in order. Raises `ConnectionLost`."""
        try:
            async with asyncio.timeout(SLOW_READER_SECONDS):
                for frame in frames:
                    await self._websocket.send_text(frame)
        except TimeoutError:
            logger.warning("A relay socket is not read and is given up", extra={"action": "relay.write_timed_out"})
            self.give_up(1008, "frames are not read")
            raise ConnectionLost from None
        except (WebSocketDisconnect, RuntimeError, OSError):  # closed under us
            raise ConnectionLost from None

    async def answers(self, seconds: float) -> bool:
        """Whether the peer answers a ping in time. A server that cannot send any counts on the peer to be there."""
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

    def give_up(self, code: int, reason: str) -> None:
        """Close the socket with this code; the first reason stands. What the peer has sent until its own Close is still
        read, unless it is the peer's fault."""
        if not self.close_reason:
            self.close_code, self.close_reason = code, reason
            self._parting = asyncio.create_task(self._part(), name="part")

    async def _part(self) -> None:
        await self.close()
        seconds = 0.0 if self.close_code in PEERS_FAULT else PEER_CLOSE_SECONDS
        with contextlib.suppress(RuntimeError):  # the reader has left meanwhile
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def parted(self) -> None:
        """Return when nothing goes on here any more; the Close was sent, if there was one."""
        if self._parting is not None:
            await asyncio.wait({self._parting})

    def close_after(self, seconds: float) -> None:
        """The session is over: its peer closes the socket, and we do if it does not."""
        if not self.close_reason:
            self.close_reason = "the session is over"
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def close(self, seconds: float = 1.0) -> None:
        """Say goodbye to the peer, if it listens."""
        try:
            async with asyncio.timeout(seconds):
                await self._websocket.close(self.close_code, self.close_reason)
        except (TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            return
