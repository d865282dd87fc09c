"""The seam under the schedules of calls: what is due, who carries it out, and what became of it.

The rules that every schedule keeps, and the suite in `orchestrator.testing.schedule_contract` checks:

- an item is carried out at least once: from when it is due, whoever claims it has it under a lease of its own; once
  that has run out, another may claim it;
- a claim that was granted later than yours makes all you still do void: `renew` names the lease as lost, and `settle`,
  `fail` and `mark_posting` change nothing;
- the same holds once the item was removed: it was cancelled, its call ended, or its call was erased;
- an item that was settled or removed is never claimed again, and what was written once is not written again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator.events.outbox import Announcement
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.item import ScheduledItem

LEASE_SECONDS = 2.0
"""For how long an item belongs to who claimed it, unless that is renewed."""

ItemKind = Literal["timer", "activity", "message"]


@dataclass(frozen=True, slots=True)
class ItemLease:
    """The right to carry out one item. `epoch` grows by one with each claim of the item."""

    call_sid: str
    item_id: str
    holder: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """An item that is to be carried out now, under a lease.

    `attempt` counts the claims, from 1, without those that ended with `release`; `failures` those that ended with
    `fail`: the others before this one were lost with their process. `posting_since` is when `mark_posting` was called
    first for it (Unix seconds), or None.
    """

    item: ScheduledItem
    lease: ItemLease
    attempt: int = 1
    failures: int = 0
    posting_since: float | None = None


@dataclass(frozen=True, slots=True)
class LostLease:
    """A lease that is lost: to another holder, or because the item is not to be carried out any more."""

    lease: ItemLease
    is_cancelled: bool


class Schedule(Protocol):
    """Keeps the scheduled items of calls. Every method may raise `StoreUnavailable`, and may be repeated."""

    @property
    def first_due(self) -> float | None:
        """When the first call is to be looked at, as was last read (Unix seconds); None if there is none."""

    async def wait_until_due(self) -> None:
        """Return when a call is to be looked at, as far as this process knows: at once, if one is."""

    async def due(self, most: int = 100) -> list[str]:
        """Return the SIDs of calls that have something due. Each is due again a second later, unless it is claimed."""

    async def claim(self, call_sid: str, holder: str, room: Mapping[str, int]) -> list[ScheduledRun]:
        """Return what of the call is due and free, the first due first, each under a new lease of `LEASE_SECONDS`.

        `room` says how many of each kind are wanted; of a kind that it does not name, none. What is due and not
        granted for want of room is due again soon, for others. Each grant counts as an attempt.
        """

    async def renew(self, leases: Sequence[ItemLease]) -> list[LostLease]:
        """Renew the leases. Return those that are lost."""

    async def settle(self, run: ScheduledRun, announcement: Announcement | None = None, *, name: str = "") -> bool:
        """The item is carried out: take it off, and write the announcement into the outbox of its call in the same
        step. Return False if the lease is lost: then nothing was written.

        `name` is what came of the item, such as the SID of a message. Each name is given to one item of a call: if
        another was settled with it, return False, too.
        """

    async def fail(self, run: ScheduledRun, retry_at: float, *, is_undone: bool = False) -> bool:
        """Give the lease back; the item is due again at `retry_at` (Unix seconds). Return False if it was lost.

        `is_undone`: what `mark_posting` noted has surely not happened. The mark is taken off.
        """

    async def release(self, runs: Sequence[ScheduledRun]) -> None:
        """Give the leases back; the items are due at once, for others, and these were no attempts."""

    async def mark_posting(self, run: ScheduledRun) -> bool:
        """Note, so that no failover takes it back, that something is about to happen which must not happen twice.

        Return False if the lease is lost: then it must not be begun.
        """

    async def write(self, call_sid: str, changes: ScheduleChanges) -> None:
        """Write what was changed elsewhere. An item that was written before, or is settled since, is not written
        again."""
