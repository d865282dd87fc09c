"""What the caller does, on its way to the server: sent in order, kept while there is no socket."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from orchestrator.provider_simulator.relay_reconnect import Frame, RelayBacklog, RelayReconnect

PINGS_FOR_RECEIPT = 2
"""A pong follows everything that the server sent before it received the ping, and so before it received what the caller
said before the ping (RFC 6455, 5.5.3: frames keep their order). The server's socket answers the first ping possibly
before the server has read the words; by the second, it has read them."""
SETUP = "setup"


class RelayEvents:
    """The frames of one session to the server."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Frame | int] = asyncio.Queue()
        self._in_flight: Frame | None = None
        self._backlog = RelayBacklog()
        self._unreceived = 0

    @property
    def are_received(self) -> bool:
        """True if the server has read everything that the caller did."""
        return not self._unreceived

    def put(self, frame: Frame) -> None:
        """Send a frame after those that wait."""
        self._waiting.put_nowait(frame)

    def put_last(self, *frames: Frame) -> None:
        """Send frames, and find out when the server has read them."""
        for frame in frames:
            self.put(frame)
        self._unreceived += 1
        self._waiting.put_nowait(PINGS_FOR_RECEIPT)

    def begin(self, setup: Frame, frames: Sequence[Frame]) -> None:
        """Send the first frame of a socket, and these events, before all that happens from here on."""
        self._unreceived = 0
        self.put(setup)
        if frames:
            self.put_last(*frames)

    async def write(self, socket: ClientConnection) -> None:
        """Send what waits, until the socket is lost."""
        with suppress(ConnectionClosed):
            while True:
                match await self._waiting.get():
                    case int(pings):
                        pong = asyncio.ensure_future(await socket.ping())
                        pong.add_done_callback(partial(self._ponged, pings - 1))
                    case frame:
                        self._in_flight = frame
                        await socket.send(json.dumps(frame))
                        self._in_flight = None
                        if frame["type"] != SETUP:
                            self._backlog.note_sent(frame)

    def taken_back(self) -> list[Frame]:
        """Return the events that were not sent, and forget them."""
        waiting: list[Frame | int] = [self._in_flight] if self._in_flight is not None else []
        while not self._waiting.empty():
            waiting.append(self._waiting.get_nowait())
        self._in_flight = None
        return [frame for frame in waiting if not isinstance(frame, int) and frame["type"] != SETUP]

    def replayed(self, unsent: list[Frame], policy: RelayReconnect) -> list[Frame]:
        """Return the events that the next socket gets, of which these were not sent."""
        return self._backlog.replayed(unsent, policy)

    def _ponged(self, pings_left: int, pong: "asyncio.Future[float]") -> None:
        if pong.cancelled() or pong.exception() is not None:  # the socket is closed
            return
        if pings_left:
            self._waiting.put_nowait(pings_left)
        else:
            self._unreceived = max(0, self._unreceived - 1)
