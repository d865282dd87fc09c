"""The schedules of the calls of one process, in its memory. It promises what it holds while that process lives."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from orchestrator import clock
from orchestrator.events.memory_agenda import MemoryAgenda
from orchestrator.events.outbox import Announcement
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.item import MessageItem, ScheduledItem
from orchestrator.schedule.schedule import LEASE_SECONDS, ItemLease, LostLease, ScheduledRun

AGAIN_SECONDS = 1.0
"""When a call is looked at again that was due, unless somebody claims; and one whose items found no room."""


def _ignore(_: Announcement) -> None: ...


@dataclass(slots=True)
class _Entry:
    """An item, and who has it until when (Unix seconds). It is due at `due_at`.

    `is_handed_over`: another schedule may have it, and it must not happen twice.
    """

    item: ScheduledItem
    due_at: float
    holder: str = ""
    held_until: float = 0.0
    epoch: int = 0
    attempt: int = 0
    failures: int = 0
    posting_since: float | None = None
    is_handed_over: bool = False

    def look_at(self, now: float) -> float:
        """Return when somebody is to look at it: when its lease runs out, else when it is due."""
        return self.held_until if self.holder and self.held_until > now else self.due_at

    def run(self, call_sid: str) -> ScheduledRun:
        """Return the run that was granted last."""
        lease = ItemLease(call_sid, self.item.item_id, self.holder, self.epoch)
        return ScheduledRun(self.item, lease, self.attempt, self.failures, self.posting_since)

    def give_back(self, due_at: float) -> None:
        self.holder, self.held_until, self.due_at = "", 0.0, due_at


@dataclass(slots=True)
class _Call:
    """The items of one call; the ids of those that are settled or removed; and what came of some, by name.

    `moving`: its items are about to be another schedule's, or all are. `is_gone`: its state is.
    """

    items: dict[str, _Entry] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    moving: Literal["", "begun", "done"] = ""
    is_gone: bool = False

    @property
    def open(self) -> list[_Entry]:
        """Return what may be begun here, the first due first. A message that may have been sent is finished here."""
        left = (it for it in self.items.values() if not it.is_handed_over and self.moving != "done")
        return sorted(
            (it for it in left if not self.moving or it.posting_since is not None), key=lambda entry: entry.due_at
        )


class MemorySchedule:
    """A `Schedule`. `tell` writes into the outbox what a settlement announces."""

    def __init__(self, tell: Callable[[Announcement], None] = _ignore) -> None:
        self._tell = tell
        self._calls: dict[str, _Call] = {}
        self._agenda = MemoryAgenda()
        self._changed = asyncio.Event()

    @property
    def first_due(self) -> float | None:
        return self._agenda.first

    async def wait_until_due(self) -> None:
        while (first := self.first_due) is None or first > clock.now():
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if first is None else first - clock.now()):
                    await self._changed.wait()

    async def due(self, most: int = 100) -> list[str]:
        now = clock.now()
        return self._agenda.take_due(now, most, now + AGAIN_SECONDS)

    async def claim(self, call_sid: str, holder: str, room: Mapping[str, int]) -> list[ScheduledRun]:
        call, now = self._calls.get(call_sid), clock.now()
        if call is None:
            return []
        left, runs, is_crowded = dict(room), list[ScheduledRun](), False
        for entry in call.open:
            if entry.look_at(now) > now:
                continue
            if left.get(entry.item.kind, 0) < 1:
                is_crowded = True
                continue
            left[entry.item.kind] -= 1
            entry.holder, entry.held_until = holder, now + LEASE_SECONDS
            entry.epoch, entry.attempt = entry.epoch + 1, entry.attempt + 1
            runs.append(entry.run(call_sid))
        self._look(call_sid, not_before=now + AGAIN_SECONDS if is_crowded else now)
        return runs

    async def renew(self, leases: Sequence[ItemLease]) -> list[LostLease]:
        lost = []
        for lease in leases:
            entry = self._held(lease)
            if entry is None:
                lost.append(LostLease(lease, is_cancelled=not self._has(lease)))
            else:
                entry.held_until = clock.now() + LEASE_SECONDS
                self._look(lease.call_sid)
        return lost

    async def settle(self, run: ScheduledRun, announcement: Announcement | None = None, *, name: str = "") -> bool:
        call = self._calls.get(run.lease.call_sid)
        if call is None or self._held(run.lease) is None:
            return False
        if name and call.names.setdefault(name, run.item.item_id) != run.item.item_id:
            return False
        self._drop(call, run.item.item_id)
        if call.is_gone and not call.items:
            del self._calls[run.lease.call_sid]
        if announcement is not None:
            self._tell(announcement)
        self._look(run.lease.call_sid)
        return True

    async def fail(self, run: ScheduledRun, retry_at: float, *, is_undone: bool = False) -> bool:
        entry = self._held(run.lease)
        if entry is None:
            return False
        entry.failures += 1
        if is_undone:
            entry.posting_since = None
        entry.give_back(retry_at)
        self._look(run.lease.call_sid)
        return True

    async def release(self, runs: Sequence[ScheduledRun]) -> None:
        for run in runs:
            if (entry := self._held(run.lease)) is not None:
                entry.attempt -= 1
                entry.give_back(clock.now())
                self._look(run.lease.call_sid)

    async def mark_posting(self, run: ScheduledRun) -> bool:
        call, entry = self._calls.get(run.lease.call_sid), self._held(run.lease)
        if call is None or entry is None or entry.is_handed_over or (call.moving and entry.posting_since is None):
            return False
        if entry.posting_since is None:
            entry.posting_since = clock.now()
        return True

    async def write(self, call_sid: str, changes: ScheduleChanges) -> None:
        self.write_now(call_sid, changes)

    # For the turn store of the same process, which writes in the step of its commit.

    def write_now(self, call_sid: str, changes: ScheduleChanges) -> None:
        """Write what a commit changes, in that very step."""
        call = self._calls.setdefault(call_sid, _Call())
        for item_id in changes.removed:
            self._drop(call, item_id)
        for item in changes.added:
            if item.item_id not in call.over and item.item_id not in call.items:
                call.items[item.item_id] = _Entry(item, item.due_at.timestamp())
        self._look(call_sid)

    def pending(self, call_sid: str) -> list[ScheduledRun]:
        """Return what of the call is not settled, each as it was granted last."""
        call = self._calls.get(call_sid)
        return [] if call is None else [entry.run(call_sid) for entry in call.items.values()]

    # Calls whose items another schedule takes over.

    @contextmanager
    def moving(self, call_sid: str) -> Iterator[None]:
        """Begin nothing of the call meanwhile. Unless it has `moved` by the end, all goes on here."""
        call = self._calls.setdefault(call_sid, _Call())
        call.moving = "begun"
        self._look(call_sid)
        try:
            yield
        finally:
            if self._has_moved(call) or not call.items:
                self._calls.pop(call_sid, None)
            call.moving = ""
            self._look(call_sid)

    def is_posting(self, call_sid: str) -> bool:
        """True if a message of the call may have been sent, and it is not known: that is found out here."""
        call = self._calls.get(call_sid)
        return call is not None and any(entry.posting_since is not None for entry in call.items.values())

    def hand_over(self, call_sid: str) -> list[ScheduledItem]:
        """Return what another schedule is to have. From now on, its messages are not sent here, whatever comes."""
        call = self._calls.get(call_sid, _Call())
        for entry in call.items.values():
            entry.is_handed_over = isinstance(entry.item, MessageItem)
        return [entry.item for entry in call.items.values()]

    def moved(self, call_sid: str) -> None:
        """Another schedule has what the call has: its leases here are lost."""
        if (call := self._calls.get(call_sid)) is not None and call.moving:
            call.moving = "done"

    def forget(self, call_sid: str, *, erased: bool = False) -> None:
        """Forget a call whose state is gone. Its messages are sent all the same, unless it is `erased`."""
        call = self._calls.get(call_sid)
        if call is None:
            return
        if not erased:
            for item_id in [it for it, entry in call.items.items() if not isinstance(entry.item, MessageItem)]:
                self._drop(call, item_id)
        call.is_gone = True
        if erased or not call.items:
            del self._calls[call_sid]
        self._look(call_sid)

    @property
    def calls(self) -> list[str]:
        """Return the SIDs of the calls that are known here."""
        return list(self._calls)

    @staticmethod
    def _has_moved(call: _Call) -> bool:
        return call.moving == "done"

    def _drop(self, call: _Call, item_id: str) -> None:
        call.items.pop(item_id, None)
        call.over.add(item_id)

    def _has(self, lease: ItemLease) -> bool:
        call = self._calls.get(lease.call_sid)
        return call is not None and lease.item_id in call.items

    def _held(self, lease: ItemLease) -> _Entry | None:
        """Return the item if this lease is the last that was granted, even if its time has run out."""
        call = self._calls.get(lease.call_sid)
        entry = None if call is None or call.moving == "done" else call.items.get(lease.item_id)
        return entry if entry is not None and (entry.holder, entry.epoch) == (lease.holder, lease.epoch) else None

    def _look(self, call_sid: str, not_before: float = 0.0) -> None:
        """Have the call looked at when the first of its items is due or its lease runs out."""
        call, now = self._calls.get(call_sid), clock.now()
        looks = [entry.look_at(now) for entry in call.open] if call is not None else []
        self._agenda.look_at(call_sid, max(min(looks), not_before) if looks else None)
        self._changed.set()
