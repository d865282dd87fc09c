"""Drops dead deliveries of all calls, the oldest first."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.events.outbox import CallTally, Outbox

MOST_DROPPED = 2000
"""Deliveries that one survey drops, so that it ends in time. The next one continues."""


@dataclass(order=True, slots=True)
class _Dead:
    """A dead delivery, and when it was given up. Without a sink: a call whose first one was given up then."""

    at: float
    call_sid: str
    position: int = 0
    sink: str = ""


class DeadDeliveries:
    """The dead deliveries of the calls that were noted. Those of a call are read once its oldest is the next to go.

    `freed` is how many bytes the events took that were dropped for the last sink that had not got them.
    """

    def __init__(self, outbox: Outbox, most: int = MOST_DROPPED) -> None:
        self.freed = 0
        self._outbox = outbox
        self._left = most
        self._heap: list[_Dead] = []
        self._events: dict[tuple[str, int], _Event] = {}

    @property
    def is_empty(self) -> bool:
        """True if there are no more."""
        return not self._heap

    def note(self, tally: CallTally) -> None:
        """Note the call if it has dead deliveries."""
        moments = [sink.dead_at for sink in tally.sinks.values() if sink.dead_at is not None]
        if moments:
            heapq.heappush(self._heap, _Dead(min(moments), tally.call_sid))

    async def drop_before(self, moment: float) -> int:
        """Drop what was given up before that moment (Unix seconds). Return how many deliveries that were."""
        return await self._drop_while(lambda oldest: oldest.at < moment)

    async def drop_bytes(self, wanted: int) -> int:
        """Drop the oldest until `freed` is `wanted`. Return how many deliveries that were."""
        return await self._drop_while(lambda _: self.freed < wanted)

    async def _drop_while(self, condition: Callable[[_Dead], bool]) -> int:
        dropped = 0
        while self._heap and self._left and condition(self._heap[0]):
            oldest = heapq.heappop(self._heap)
            if not oldest.sink:
                await self._read(oldest.call_sid)
            elif await self._outbox.drop(oldest.call_sid, oldest.position, oldest.sink):
                self._note_dropped(oldest)
                dropped += 1
                self._left -= 1
        return dropped

    async def _read(self, call_sid: str) -> None:
        for it in await self._outbox.undelivered(call_sid):
            event = self._events.setdefault((call_sid, it.entry.position), _Event(it.bytes))
            event.sinks += 1
            if it.dead_at is not None:
                heapq.heappush(self._heap, _Dead(it.dead_at, call_sid, it.entry.position, it.sink))

    def _note_dropped(self, dead: _Dead) -> None:
        event = self._events[dead.call_sid, dead.position]
        event.sinks -= 1
        if not event.sinks:
            self.freed += event.bytes


@dataclass(slots=True)
class _Event:
    """An event with a dead delivery: its size, and how many sinks have not got it."""

    bytes: int
    sinks: int = 0
