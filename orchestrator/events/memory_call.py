"""What the outbox of one process keeps of one call: its lives, its events, and how far each sink has got."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.events.event import happened_at
from orchestrator.events.outbox import (
    LOOK_AGAIN_SECONDS,
    Announcement,
    CallHead,
    CallTally,
    Entry,
    NewEvent,
    Settlement,
    SinkQueue,
    SinkTally,
    Undelivered,
)

CALL_ENDED = "call.ended"
LOOK_SECONDS = 60.0
"""How often it is read whether the state of an open call is still there: it may expire, or be deleted."""


@dataclass(slots=True)
class Life:
    """One life of the call. It is open until its `call.ended` is written.

    `closes_at` is when that is due at the latest, once the agent has hung up; before `counts_as_gone_from`, a state
    that is not there may still come. `is_late`: only that is known which is told of calls that may be over.
    """

    head: CallHead
    is_open: bool = True
    is_late: bool = False
    seq: int = 0
    closes_at: float | None = None
    counts_as_gone_from: float = 0.0
    taken_over: set[str] = field(default_factory=set)

    def is_of(self, created_at: datetime) -> bool:
        """True if a state that was created then is of this life."""
        return datetime.fromisoformat(self.head.life) == created_at


@dataclass(slots=True)
class Stored:
    """An event, and its size in bytes."""

    entry: Entry
    life: Life
    size: int


@dataclass(slots=True)
class Progress:
    """What one sink has still to get, as positions in order, and what became of the attempts at the first of them."""

    pending: deque[int] = field(default_factory=deque)
    failures: int = 0
    first_failed_at: float = 0.0
    next_at: float = 0.0
    error: str = ""

    def begin_next(self) -> None:
        """Forget the attempts: another event is the first now."""
        self.failures, self.first_failed_at, self.next_at, self.error = 0, 0.0, 0.0, ""

    def remove(self, position: int) -> None:
        """Deliver this event no more."""
        was_first = self.pending[0] == position
        self.pending.remove(position)
        if was_first:
            self.begin_next()


@dataclass(frozen=True, slots=True)
class Dead:
    """A delivery that was given up."""

    failures: int
    error: str
    dead_at: float


@dataclass(slots=True)
class CallOutbox:
    """The outbox of one call, and the lease under which it is delivered."""

    lives: dict[str, Life] = field(default_factory=dict)
    events: dict[int, Stored] = field(default_factory=dict)
    sinks: dict[str, Progress] = field(default_factory=dict)
    dead: dict[tuple[int, str], Dead] = field(default_factory=dict)
    last_position: int = 0
    holder: str = ""
    epoch: int = 0
    held_until: float = 0.0
    is_erased: bool = False

    @property
    def is_open(self) -> bool:
        """True if a `call.ended` is still to be written."""
        return any(life.is_open for life in self.lives.values())

    @property
    def is_done(self) -> bool:
        """True if there is nothing to write and nothing to deliver."""
        return not (self.is_open or self.events)

    def is_held(self, now: float) -> bool:
        """True if somebody has a lease whose time has not run out."""
        return bool(self.holder) and self.held_until > now

    def grant(self, holder: str, now: float, seconds: float, *, is_needed: bool) -> bool:
        """Give `holder` the lease if it is needed and free; one that has it keeps it. Return True if it has it now."""
        is_held = self.is_held(now)
        if self.holder != holder if is_held else not is_needed:
            return False
        if not is_held:
            self.holder, self.epoch = holder, self.epoch + 1
        self.held_until = now + seconds
        return True

    def write(self, announcement: Announcement, *, now: float, closing_seconds: float, is_late: bool = False) -> None:
        """Write what was announced. What `is_late` opens no life."""
        head = announcement.head
        self.is_erased = False
        life = self.lives.setdefault(head.life, Life(head, is_open=not is_late, is_late=is_late))
        if life.is_late and not is_late:
            life.is_open, life.is_late = True, False
        for new in announcement.events:
            self._write(life, new)
        if announcement.closes_later and life.is_open and life.closes_at is None:
            life.closes_at = now + closing_seconds

    def erased(self, told: NewEvent) -> "CallOutbox":
        """Return what is kept instead: that the call was erased, for each sink that was, or was to be, told of it."""
        event, sinks = told.event, tuple(sorted(self.sinks)) or told.sinks
        head = CallHead(event.call_sid, "", "", "", "", "", "", "", "")
        seq = max((life.seq for life in self.lives.values()), default=0)
        after = CallOutbox(last_position=self.last_position, epoch=self.epoch + 1, is_erased=True)
        after._write(Life(head, is_open=False, seq=seq), NewEvent(event, sinks))
        return after

    def _write(self, life: Life, new: NewEvent) -> None:
        if new.event.type == CALL_ENDED:
            if not life.is_open:
                return
            life.is_open = False
        if not new.sinks:
            return
        life.seq += 1
        self.last_position += 1
        event = new.event.model_copy(update={"data": {**new.event.data, "seq": life.seq}})
        stored = Stored(Entry(self.last_position, event, new.sinks), life, len(event.model_dump_json()))
        self.events[self.last_position] = stored
        for sink in new.sinks:
            self.sinks.setdefault(sink, Progress()).pending.append(self.last_position)

    def end(self, life: str, event: NewEvent | None) -> bool:
        """Close this life with its `call.ended`, if there is one. Return False if it is closed already."""
        known = self.lives.get(life)
        if known is None or not known.is_open:
            return False
        if event is not None:
            self._write(known, event)
        known.is_open = False
        return True

    def queues(self, sinks: Iterable[str], now: float) -> list[SinkQueue]:
        """Return what can be delivered now to these sinks."""
        ready = ((sink, self.sinks[sink]) for sink in sinks if sink in self.sinks)
        return [
            SinkQueue(sink, [self.events[position].entry for position in it.pending], it.failures, it.first_failed_at)
            for sink, it in ready
            if it.pending and it.next_at <= now
        ]

    def settle(self, sink: str, position: int, settlement: Settlement, now: float) -> None:
        """Note what became of a delivery. One that is settled already stays as it is."""
        it = self.sinks.get(sink)
        if it is None or position not in it.pending:
            return
        if settlement.result == "failed":
            if it.pending[0] == position:
                it.failures, it.first_failed_at = settlement.failures, settlement.first_failed_at
                it.next_at, it.error = settlement.next_at, settlement.error
            return
        it.remove(position)
        if settlement.result == "dead":
            self.dead[position, sink] = Dead(settlement.failures, settlement.error, now)

    def drop(self, position: int, sink: str) -> None:
        """Deliver the event to this sink no more."""
        self.dead.pop((position, sink), None)
        if (it := self.sinks.get(sink)) is not None and position in it.pending:
            it.remove(position)

    def forget_settled(self, position: int) -> None:
        """Remove the event if no sink is to get it any more and none has given it up."""
        stored = self.events.get(position)
        if stored is not None and not any(self.concerns(sink, position) for sink in stored.entry.sinks):
            del self.events[position]

    def concerns(self, sink: str, position: int) -> bool:
        """True if the delivery is pending or dead."""
        it = self.sinks.get(sink)
        return (position, sink) in self.dead or (it is not None and position in it.pending)

    def next_look(self, sinks: Iterable[str], now: float, *, looked: bool) -> float | None:
        """Return when there is something to do for the call, if ever: a time that is over says now.

        `looked`: what was due now has been done, so a call whose end is due has a state that is about to go.
        """
        deliveries = [self.sinks[sink].next_at for sink in sinks if sink in self.sinks and self.sinks[sink].pending]
        closings = [life.closes_at or now + LOOK_SECONDS for life in self.lives.values() if life.is_open]
        if looked:
            closings = [at if at > now else now + LOOK_AGAIN_SECONDS for at in closings]
        return min([*deliveries, *closings], default=None)

    def announcements(self) -> list[Announcement]:
        """Return what was announced of each life, as far as it is not delivered."""
        return [
            Announcement(
                life.head,
                tuple(NewEvent(it.entry.event, it.entry.sinks) for it in self.events.values() if it.life is life),
                closes_later=life.is_open and life.closes_at is not None,
            )
            for life in self.lives.values()
        ]

    def undelivered(self) -> Iterator[Undelivered]:
        """Yield what is pending or dead, by position and sink."""
        for position, stored in self.events.items():
            for sink in sorted(stored.entry.sinks):
                if (dead := self.dead.get((position, sink))) is not None:
                    yield Undelivered(stored.entry, sink, dead.failures, dead.error, None, dead.dead_at, stored.size)
                elif self.concerns(sink, position):
                    it = self.sinks[sink]
                    first = it.pending[0] == position
                    progress = (it.failures, it.error, it.next_at or None) if first else (0, "", None)
                    yield Undelivered(stored.entry, sink, *progress, None, stored.size)

    def retry_now(self, sink: str, now: float) -> bool:
        """Let the next attempt be due now. Return False if there is none, or it is due already."""
        it = self.sinks.get(sink)
        if it is None or not it.pending or it.next_at <= now:
            return False
        it.next_at = now
        return True

    def tally(self, call_sid: str, now: float) -> CallTally:
        """Return how much is in the outbox."""
        is_held = self.is_held(now)
        names = {*(sink for sink, it in self.sinks.items() if it.pending), *(sink for _, sink in self.dead)}
        sinks = {sink: self._sink_tally(sink, is_held) for sink in names}
        return CallTally(call_sid, len(self.events), sum(it.size for it in self.events.values()), sinks)

    def _sink_tally(self, sink: str, is_held: bool) -> SinkTally:
        it = self.sinks.get(sink, Progress())
        dead = [death.dead_at for (_, name), death in self.dead.items() if name == sink]
        oldest = happened_at(self.events[it.pending[0]].entry.event) if it.pending else None
        due_at = it.next_at if it.pending and it.next_at and not is_held else None
        return SinkTally(len(it.pending), len(dead), oldest, due_at, min(dead, default=None))
