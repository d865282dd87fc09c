"""The queue of parts from an agent's thread to the event loop that asked for them."""

import asyncio
import threading
from collections import deque
from contextlib import suppress
from typing import Any

from orchestrator.agents.agent_loop import Attempt
from orchestrator.agents.protocol import Part

CAPACITY = 64
"""How many parts an agent may be ahead of whoever takes them; then it waits."""


class PartQueue:
    """A bounded queue between two event loops, fed by one attempt at a time.

    The taker is woken once for whatever has gathered, not once a part. `get`, `finished` and `close` are for
    the loop that made the queue, `put` and `finish` to the attempt's.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._parts: deque[Part] = deque()
        self._source: Attempt[Any] | None = None
        self._is_touched = False
        self._is_closed = False
        self._is_finished = False
        self._error: BaseException | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the attempt has ended; parts may still be waiting."""
        return self._is_finished

    def switch(self, source: Attempt[Any]) -> bool:
        """Take parts from `source` from now on; refused (False) once a part has come, or the end."""
        with self._lock:
            if self._is_touched or self._is_finished:
                return False
            self._source = source
            return True

    async def put(self, source: Attempt[Any], part: Part) -> bool:
        """Add a part, and wait while the queue is full; False if nobody wants parts of `source` now."""
        with self._lock:
            if source is not self._source or self._is_closed:
                return False
            self._is_touched = True
            self._parts.append(part)
            self._wake_taker()
            if len(self._parts) < CAPACITY:
                return True
            self._room = room = asyncio.get_running_loop().create_future()
        await room
        return True

    def finish(self, source: Attempt[Any], error: BaseException | None) -> None:
        """There will be no more parts of `source`."""
        with self._lock:
            if source is self._source:
                self._is_finished, self._error = True, error
                self._wake_taker()

    async def get(self) -> Part:
        """The next part. Raises what the agent raised, or `StopAsyncIteration` at the end."""
        while True:
            with self._lock:
                if self._parts:
                    return self._taken()
                if self._is_finished:
                    error, self._error = self._error, None
                    raise error or StopAsyncIteration
                self._arrival = arrival = self._loop.create_future()
            await arrival

    def close(self) -> None:
        """Want no more parts."""
        with self._lock:
            self._is_closed = True
            self._parts.clear()

    async def finished(self) -> BaseException | None:
        """Wait until the attempt has ended; what it raised."""
        try:
            while True:
                await self.get()
        except StopAsyncIteration:
            return None
        except Exception as error:
            return error

    def _taken(self) -> Part:
        part = self._parts.popleft()
        if self._room is not None and self._source is not None and len(self._parts) <= CAPACITY // 2:
            room, self._room = self._room, None
            self._source.loop.tell(_settle, room)
        return part

    def _wake_taker(self) -> None:
        if self._arrival is None:
            return
        arrival, self._arrival = self._arrival, None
        with suppress(RuntimeError):  # the taker's loop has ended
            self._loop.call_soon_threadsafe(_settle, arrival)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
