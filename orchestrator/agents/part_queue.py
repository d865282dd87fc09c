"""`PartQueue`: carries an agent's parts from the event loop that it runs in to the one that asked for them."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from orchestrator.agents.protocol import Part

CAPACITY = 64
"""The most parts that wait in a queue; then the agent waits until half of them were taken."""


class Abandoned(Exception):
    """The attempt that filled this queue has said nothing, and is to be made again elsewhere."""


class PartQueue:
    """A bounded queue between two event loops, each in a thread of its own.

    The producer's loop calls `put` and `finish`. The consumer's loop makes the queue and calls everything else. The
    consumer is woken once for all the parts that have gathered, not once for each part. `call_consumer` calls a
    function in its loop, from any thread.
    """

    def __init__(self, call_consumer: Callable[..., object] | None = None) -> None:
        self._consumer = asyncio.get_running_loop()
        self._call_consumer = call_consumer or self._consumer.call_soon_threadsafe
        self._lock = threading.Lock()
        self._parts: deque[Part] = deque()
        self._has_parts = False  # or has had some
        self._end: BaseException | None = None  # what `get` raises after the last part
        self._is_closed = False
        self._arrival: asyncio.Future[None] | None = None  # the consumer waits for a part
        self._room: asyncio.Future[None] | None = None  # the producer waits for room

    @property
    def is_finished(self) -> bool:
        """True if no more parts will come; some may still be waiting."""
        return self._end is not None

    async def put(self, part: Part) -> bool:
        """Add a part, and wait for room if the queue is full. Return False if nobody takes parts any more."""
        with self._lock:
            if self._is_closed or self._end is not None:
                return False
            self._has_parts = True
            self._parts.append(part)
            arrival, self._arrival = self._arrival, None
            room = None
            if len(self._parts) >= CAPACITY:
                self._room = room = asyncio.get_running_loop().create_future()
        self._wake_consumer(arrival)
        if room is not None:
            await room
        return True

    def finish(self, error: BaseException | None) -> None:
        """Add no more parts: the agent has ended, or raised `error`."""
        with self._lock:
            if self._end is not None:
                return
            self._end = error or StopAsyncIteration()
            arrival, self._arrival = self._arrival, None
        self._wake_consumer(arrival)

    async def get(self) -> Part:
        """Return the next part. At the end raise what the agent raised, `Abandoned`, or `StopAsyncIteration`."""
        while True:
            with self._lock:
                if self._parts:
                    return self._next()
                if self._end is not None:
                    end, self._end = self._end, StopAsyncIteration()
                    raise end
                self._arrival = arrival = self._consumer.create_future()
            await arrival

    def abandon(self) -> bool:
        """End the queue with `Abandoned`, unless a part or the end has come. Return True if it was abandoned."""
        with self._lock:
            if self._has_parts or self._end is not None:
                return False
            self._end = Abandoned()
            arrival, self._arrival = self._arrival, None
        self._wake_consumer(arrival)
        return True

    def close(self) -> None:
        """Drop the parts that wait, and refuse others."""
        with self._lock:
            self._is_closed = True
            self._parts.clear()

    async def finished(self) -> Exception | None:
        """Wait for the end of the agent. Return what it raised."""
        try:
            while True:
                await self.get()
        except (StopAsyncIteration, Abandoned):
            return None
        except Exception as error:
            return error

    def _next(self) -> Part:
        part = self._parts.popleft()
        if self._room is not None and len(self._parts) <= CAPACITY // 2:
            room, self._room = self._room, None
            _wake(room)
        return part

    def _wake_consumer(self, arrival: "asyncio.Future[None] | None") -> None:
        """Wake the consumer if it waits. Not with the lock, which it wants at once."""
        if arrival is not None:
            with suppress(RuntimeError):  # its loop has ended
                self._call_consumer(_complete, arrival)


def _wake(waiter: "asyncio.Future[None]") -> None:
    """Complete a future in its own loop, from any thread. Do nothing if that loop has ended."""
    with suppress(RuntimeError):
        waiter.get_loop().call_soon_threadsafe(_complete, waiter)


def _complete(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
