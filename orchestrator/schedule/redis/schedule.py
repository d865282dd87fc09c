"""Schedules in Redis. The commits of turns write them; this claims what is due, and settles it."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from orchestrator import clock
from orchestrator.errors import StoreUnavailable, UnreadableSeal
from orchestrator.events.outbox import Announcement
from orchestrator.events.redis.agenda import Agenda
from orchestrator.redis import keys
from orchestrator.redis.ciphers import cipher_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.item import read_item
from orchestrator.schedule.redis import scripts
from orchestrator.schedule.redis.index import ScheduleIndex
from orchestrator.schedule.schedule import ItemLease, LostLease, ScheduledRun

logger = logging.getLogger(__name__)

UNREADABLE_MS = 60_000
"""How long an item is left to others that this process cannot read: it may be of a newer version."""
MISSING_KEY_MS = 5_000
"""The same for one whose encryption key is missing here."""


class RedisSchedule:
    """A `Schedule`. Calls are kept for `life_ms`. `agenda` is that of the outboxes."""

    def __init__(
        self, connection: StoreConnection, shards: tuple[keys.ShardKeys, ...], agenda: Agenda, *, life_ms: int
    ) -> None:
        self.index = ScheduleIndex(connection, shards)
        self.cipher = cipher_of(connection.redis)
        self._connection = connection
        self._agenda = agenda
        self._life_ms = life_ms

    @property
    def first_due(self) -> float | None:
        return self.index.first_due

    async def wait_until_due(self) -> None:
        await self.index.wait_until_due()

    async def due(self, most: int = 100) -> list[str]:
        return await self.index.due(most)

    async def claim(self, call_sid: str, holder: str, room: Mapping[str, int]) -> list[ScheduledRun]:
        before = await self.index.entry(call_sid)
        granted = await self._connection.run(
            scripts.claim_schedule(call_sid=call_sid, holder=holder, room=room, shard=self.index.shard_with(call_sid))
        )
        with suppress(StoreUnavailable):  # it is looked at again in any case, and what was granted is ours
            await self.index.note(call_sid, before, granted.next_look_ms)
        runs: list[ScheduledRun] = []
        for grant in granted.items:
            lease = ItemLease(call_sid, grant.item_id, holder, grant.epoch)
            try:
                runs.append(self._run(lease, grant))
            except UnreadableSeal as error:
                await self._leave_unread(lease, None if error.is_key_missing else str(error))
            except ValueError:
                await self._leave_unread(lease, "It is no item that this version knows.")
        return sorted(runs, key=lambda run: run.item.due_at)

    def _run(self, lease: ItemLease, granted: scripts.GrantedItem) -> ScheduledRun:
        """Return what was granted. Raise ValueError or `UnreadableSeal` if this process cannot read it."""
        stored = granted.json.encode() if isinstance(granted.json, str) else granted.json
        place = scripts.item_place(keys.schedule(lease.call_sid), granted.item_id)
        item = read_item(self.cipher.open(place, stored))
        since = None if granted.posting_since_ms is None else granted.posting_since_ms / 1000
        return ScheduledRun(item, lease, granted.attempt, granted.failures, since)

    async def _leave_unread(self, lease: ItemLease, reason: str | None) -> None:
        """Leave an item to others. Without a `reason` its encryption key is missing here, which was logged."""
        if reason is not None:
            logger.error(
                "What a call has scheduled cannot be read; it is left to others: %s (%s)",
                lease.item_id,
                reason,
                extra={"action": "schedule.unreadable", "call_sid": lease.call_sid},
            )
        pause_ms = UNREADABLE_MS if reason is not None else MISSING_KEY_MS
        with suppress(StoreUnavailable):  # its lease runs out
            await self._give_back(lease, clock.now() * 1000 + pause_ms, has_failed=False)

    async def renew(self, leases: Sequence[ItemLease]) -> list[LostLease]:
        if not leases:
            return []
        held = await self._connection.run_all([scripts.renew_scheduled(lease=lease) for lease in leases])
        return [LostLease(lease, how < 0) for lease, how in zip(leases, held, strict=True) if how != 1]

    async def settle(self, run: ScheduledRun, announcement: Announcement | None = None, *, name: str = "") -> bool:
        call_sid, shard = run.lease.call_sid, self.index.shard_with(run.lease.call_sid)
        settled = await self._connection.run(
            scripts.settle_scheduled(
                lease=run.lease,
                is_kept=run.item.kind == "message",
                name=name,
                announcement=announcement,
                cipher=self.cipher,
                shard=shard,
            )
        )
        if settled and announcement is not None:
            await self._agenda.mark(call_sid)
        return settled

    async def fail(self, run: ScheduledRun, retry_at: float, *, is_undone: bool = False) -> bool:
        return await self._give_back(run.lease, retry_at * 1000, has_failed=True, is_undone=is_undone)

    async def release(self, runs: Sequence[ScheduledRun]) -> None:
        for run in runs:
            await self._give_back(run.lease, 0, has_failed=False)

    async def _give_back(self, lease: ItemLease, at_ms: float, *, has_failed: bool, is_undone: bool = False) -> bool:
        shard = self.index.shard_with(lease.call_sid)
        given = await self._connection.run(
            scripts.retry_scheduled(
                lease=lease, at_ms=int(at_ms), has_failed=has_failed, is_undone=is_undone, shard=shard
            )
        )
        if given:
            await self.index.mark(lease.call_sid, int(at_ms))
            self.index.noticed_call(lease.call_sid, at_ms)
        return given

    async def mark_posting(self, run: ScheduledRun) -> bool:
        return await self._connection.run_confirmed(scripts.mark_posting(lease=run.lease))

    async def write(self, call_sid: str, changes: ScheduleChanges) -> None:
        if not changes:
            return
        if changes.added:
            await self.index.mark_before(call_sid, changes)
        await self._connection.run_confirmed(
            scripts.write_schedule(
                call_sid=call_sid,
                changes=changes,
                keep_ms=self._life_ms,
                cipher=self.cipher,
                shard=self.index.shard_with(call_sid),
            )
        )
        await self.written(call_sid, changes)

    async def written(self, call_sid: str, changes: ScheduleChanges, *, not_before: float = 0.0) -> None:
        """Note when the call is to be looked at, after its schedule was changed; here not before this time."""
        if changes.added:
            first_ms = min(int(item.due_at.timestamp() * 1000) for item in changes.added)
            with suppress(StoreUnavailable):  # it is looked at soon in any case
                await self.index.mark(call_sid, first_ms)
            self.index.noticed_call(call_sid, max(first_ms, not_before * 1000))

    async def survey(self, call_sids: Sequence[str]) -> None:
        """Cluster: have somebody look in time at those of these calls that have something scheduled.

        Their index, which another master has, may have lost what it was told.
        """
        if self.index.is_one_step or not call_sids:
            return
        looks = await self._connection.run_all(
            [scripts.claim_schedule(call_sid=call_sid, holder="", room={}, shard=None) for call_sid in call_sids]
        )
        for call_sid, granted in zip(call_sids, looks, strict=True):
            if granted.next_look_ms is not None:
                await self.index.mark(call_sid, granted.next_look_ms)
