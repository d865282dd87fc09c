"""The outbox of a single process: events are promised for as long as the process lives."""

import heapq
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence

from orchestrator import clock
from orchestrator.errors import UnreadableState
from orchestrator.events.memory_agenda import MemoryAgenda
from orchestrator.events.memory_call import CallOutbox, Life
from orchestrator.events.memory_stopped_sinks import MemoryStoppedSinks
from orchestrator.events.outbox import (
    CLOSING_SECONDS,
    LOOK_AGAIN_SECONDS,
    TAKE_OVER_SECONDS,
    Announcement,
    CallTally,
    Delivery,
    DeliveryLease,
    NewEvent,
    Settlement,
    Undelivered,
    Unended,
)
from orchestrator.state.base import StateManagerBase

LEASE_SECONDS = 10.0
REMEMBER_SECONDS = 2 * 3600.0
"""How long it is known of a call without events that its `call.ended` was written."""


def _ignore(_: str) -> None: ...


def _never(_: str) -> bool:
    return False


class MemoryOutbox(MemoryStoppedSinks):
    """Keeps events in this process. `states` has the states of its calls; nothing else is asked of it.

    `ended_seconds` is how long the state of a call is kept that has ended: the end is told before that expires.
    `wake` is called with the SID of a call that has something to deliver and is held by nobody. Calls that are
    `elsewhere` are not delivered from here: another outbox is to take them over (`announced`, then `forget`).
    """

    def __init__(
        self,
        states: StateManagerBase,
        sinks: Sequence[str],
        *,
        wake: Callable[[str], None] = _ignore,
        elsewhere: Callable[[str], bool] = _never,
        lease_seconds: float = LEASE_SECONDS,
        ended_seconds: float = math.inf,
    ) -> None:
        super().__init__()
        self.sinks = tuple(sinks)
        self.lease_seconds = lease_seconds
        self.states = states
        self._closing_seconds = min(CLOSING_SECONDS, max(ended_seconds - 2.0, 0.0))
        self._wake = wake
        self._elsewhere = elsewhere
        self._calls: dict[str, CallOutbox] = {}
        self._done: OrderedDict[str, float] = OrderedDict()  # calls without events, and since when
        self._agenda = MemoryAgenda()

    # What the calls write.

    def announce(self, announcement: Announcement, *, is_late: bool = False) -> None:
        """Write what a step of a call announces, in that very step."""
        call_sid = announcement.head.call_sid
        call = self._calls.setdefault(call_sid, CallOutbox())
        call.write(announcement, now=clock.now(), closing_seconds=self._closing_seconds, is_late=is_late)
        self._written(call_sid, call)

    def announce_late(self, announcement: Announcement) -> None:
        """Write what is told of a life that may be over: it opens none."""
        self.announce(announcement, is_late=True)

    def accept(self, announcement: Announcement) -> None:
        """Write what is told of a call that is accepted, once for each life of it."""
        call = self._calls.get(announcement.head.call_sid)
        if call is None or announcement.head.life not in call.lives:
            self.announce(announcement)

    def is_over(self, call_sid: str) -> None:
        """The provider says that the call is over, or its state is about to go: write `call.ended` soon."""
        if (call := self._calls.get(call_sid)) is not None and call.is_open:
            for life in call.lives.values():
                life.closes_at = clock.now()
            self._schedule_unless_held(call_sid, call)

    async def take_over(self, announcement: Announcement) -> None:
        """Write what was announced elsewhere, each event once; see `Outbox`."""
        head, now = announcement.head, clock.now()
        call = self._calls.setdefault(head.call_sid, CallOutbox())
        life = call.lives.setdefault(head.life, Life(head))
        life.counts_as_gone_from = now + TAKE_OVER_SECONDS
        new = tuple(event for event in announcement.events if event.event.id not in life.taken_over)
        life.taken_over.update(event.event.id for event in new)
        new_ones = Announcement(head, new, announcement.closes_later)
        call.write(new_ones, now=now, closing_seconds=self._closing_seconds)
        self._written(head.call_sid, call)

    def announced(self, call_sid: str) -> list[Announcement]:
        """Return what another outbox is to take over of the call: one announcement for each of its lives."""
        call = self._calls.get(call_sid)
        return [] if call is None else call.announcements()

    def forget(self, call_sid: str) -> None:
        """Forget the call: another outbox has taken it over."""
        if self._calls.pop(call_sid, None) is not None:
            self._agenda.look_at(call_sid, None)
            self._done.pop(call_sid, None)

    def erase(self, call_sid: str, told: NewEvent | None, *, is_known: bool) -> bool:
        """Drop all that is kept of the call, so that leases of it are lost. Return whether there was anything.

        `told` is kept instead, for each sink that was told anything, if something was or the call `is_known`.
        """
        before = self._calls.get(call_sid)
        if before is not None and before.is_erased:
            return True
        self.forget(call_sid)
        if told is not None and (before is not None or is_known):
            self._calls[call_sid] = after = (before or CallOutbox()).erased(told)
            self._written(call_sid, after)
        return before is not None

    # What is due.

    @property
    def first_due(self) -> float | None:
        """When the first call is due, in Unix seconds; None if there is none."""
        return self._agenda.first

    async def due(self, most: int = 100) -> list[str]:
        """Return calls that are to be looked at now, those that have waited longest first."""
        now = clock.now()
        return self._agenda.take_due(now, most, now + LOOK_AGAIN_SECONDS)

    async def unended(self, call_sid: str) -> Unended | None:
        """Return the call if its `call.ended` is due now; see `Outbox`."""
        call = self._calls.get(call_sid)
        if call is None or not call.is_open or self._elsewhere(call_sid):
            return None
        try:
            state = await self.states.get_state(call_sid)
        except UnreadableState:
            return None  # it is not gone, and a newer version of the program may read it
        now = clock.now()
        for life in call.lives.values():
            if not life.is_open:
                continue
            if state is None or not life.is_of(state.created_at):
                if life.counts_as_gone_from <= now:
                    return Unended(life.head, None)
            elif state.ended is not None:
                if life.closes_at is None:  # its last turn is being committed, or another process has ended it
                    life.closes_at = state.ended.at.timestamp() + self._closing_seconds
                if life.closes_at <= now:
                    return Unended(life.head, state)
        return None

    async def end(self, unended: Unended, event: NewEvent | None) -> bool:
        """Write the `call.ended` of this life, or only close it."""
        call_sid = unended.head.call_sid
        call = self._calls.get(call_sid)
        if call is None or not call.end(unended.head.life, event):
            return False
        self._written(call_sid, call)
        return True

    # Delivery.

    async def claim(self, call_sid: str, holder: str) -> Delivery | None:
        """Return what can be delivered now, under a lease; see `Outbox`."""
        call, now = self._calls.get(call_sid), clock.now()
        if call is None or self._elsewhere(call_sid):
            return None
        queues = call.queues(self.sinks, now)
        if not call.grant(holder, now, self.lease_seconds, is_needed=bool(queues)):
            return None
        self._agenda.look_at(call_sid, call.held_until)
        return Delivery(DeliveryLease(call_sid, holder, call.epoch), queues) if queues else None

    async def renew(self, leases: Sequence[DeliveryLease]) -> list[DeliveryLease]:
        """Renew the leases. Return those that are lost."""
        lost = []
        for lease in leases:
            if (call := self._held(lease)) is None:
                lost.append(lease)
            else:
                call.held_until = clock.now() + self.lease_seconds
                self._agenda.look_at(lease.call_sid, call.held_until)
        return lost

    async def settle(self, lease: DeliveryLease, sink: str, position: int, settlement: Settlement) -> bool:
        """Write what became of a delivery. Return False if the lease is lost."""
        call = self._held(lease)
        if call is None:
            return False
        call.settle(sink, position, settlement, clock.now())
        call.forget_settled(position)
        return True

    async def release(self, lease: DeliveryLease) -> None:
        """Give the lease back."""
        if (call := self._held(lease)) is not None:
            call.holder, call.held_until = "", 0.0
            self._schedule(lease.call_sid, call)

    async def settle_look(self, call_sid: str) -> None:
        """Say when the call is to be looked at next."""
        call = self._calls.get(call_sid)
        if call is not None and not call.is_held(clock.now()):
            self._schedule(call_sid, call, looked=True)

    # What a person sees and does.

    async def undelivered(self, call_sid: str) -> list[Undelivered]:
        """Return what is pending or dead of the call's events, by position and sink."""
        call = self._calls.get(call_sid)
        return [] if call is None else list(call.undelivered())

    async def calls(self, cursor: str = "", most: int = 100) -> tuple[list[str], str]:
        """Return calls that are open or have events, in the order of their SIDs."""
        found = heapq.nsmallest(most, (sid for sid, call in self._calls.items() if sid > cursor and not call.is_done))
        return found, found[-1] if len(found) == most else ""

    async def survey(self, cursor: str = "", most: int = 100) -> tuple[list[CallTally], str]:
        """Return how much is in the outboxes of calls. What is in one process is always looked at in time."""
        call_sids, following = await self.calls(cursor, most)
        return [self._calls[call_sid].tally(call_sid, clock.now()) for call_sid in call_sids], following

    async def replay(self, call_sid: str, position: int, sink: str) -> bool:
        """Deliver a dead event again, after those that are pending. Return False if it is not dead."""
        call = self._calls.get(call_sid)
        if call is None or call.dead.pop((position, sink), None) is None:
            return False
        call.sinks[sink].pending.append(position)
        self._schedule_unless_held(call_sid, call)
        return True

    async def retry(self, call_sid: str, sink: str) -> bool:
        """Try what is pending for this sink at once. Return False if nothing is, or the next attempt is due already."""
        call = self._calls.get(call_sid)
        if call is None or not call.retry_now(sink, clock.now()):
            return False
        self._schedule_unless_held(call_sid, call)
        return True

    async def drop(self, call_sid: str, position: int, sink: str) -> bool:
        """Deliver an event, pending or dead, to this sink no more. Return False if there is none."""
        call = self._calls.get(call_sid)
        if call is None or not call.concerns(sink, position):
            return False
        call.drop(position, sink)
        call.forget_settled(position)
        self._schedule_unless_held(call_sid, call)
        return True

    # Bookkeeping.

    def _held(self, lease: DeliveryLease) -> CallOutbox | None:
        """Return the call if this lease is the last that was granted, even if its time has run out."""
        call = self._calls.get(lease.call_sid)
        return call if call is not None and (call.holder, call.epoch) == (lease.holder, lease.epoch) else None

    def _written(self, call_sid: str, call: CallOutbox) -> None:
        self._done.pop(call_sid, None)
        self._schedule_unless_held(call_sid, call)

    def _schedule_unless_held(self, call_sid: str, call: CallOutbox) -> None:
        """Whoever holds the call schedules it when they release it."""
        if not call.is_held(clock.now()):
            self._schedule(call_sid, call)

    def _schedule(self, call_sid: str, call: CallOutbox, *, looked: bool = False) -> None:
        """Look at the call when there is something to do; at once if it is something to deliver.

        `looked`: what was due at this moment has been done.
        """
        now = clock.now()
        at = None if self._elsewhere(call_sid) else call.next_look(self.sinks, now, looked=looked)
        self._agenda.look_at(call_sid, at)
        if call.is_done and call.is_erased:
            self.forget(call_sid)
        elif call.is_done:
            self._remember_done(call_sid, now)
        elif at is not None and at <= now:
            self._wake(call_sid)

    def _remember_done(self, call_sid: str, now: float) -> None:
        self._done.setdefault(call_sid, now)
        while self._done and next(iter(self._done.values())) + REMEMBER_SECONDS < now:
            self._calls.pop(self._done.popitem(last=False)[0], None)
