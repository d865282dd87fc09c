"""Outboxes in Redis. The turns' own scripts write into them; this reads, delivers and ends."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from orchestrator import clock
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import UnreadableSeal, UnreadableState
from orchestrator.events.outbox import (
    Announcement,
    CallHead,
    CallTally,
    Delivery,
    DeliveryLease,
    NewEvent,
    Settlement,
    StoppedSink,
    Undelivered,
    Unended,
)
from orchestrator.events.record import life_of
from orchestrator.events.redis import scripts
from orchestrator.events.redis.agenda import Agenda
from orchestrator.events.redis.listing import undelivered_in
from orchestrator.events.redis.sealed_parts import SealedParts, read_failures
from orchestrator.events.redis.survey_scripts import survey_outbox
from orchestrator.redis import keys
from orchestrator.redis.ciphers import cipher_of
from orchestrator.redis.script_call import text
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.base import StateManagerBase
from orchestrator.state.redis.sealed_states import opened_state

BEFORE_MS = 2000
"""In a cluster, somebody looks at a call so long after it was to begin: whoever begins it may die before saying so."""
STOPPED_SECONDS = 30 * 86_400


class RedisOutbox:
    """An `Outbox`. `states` is a manager that keeps the states elsewhere; without it they are in the same Redis."""

    lease_seconds = scripts.LEASE_MS / 1000

    def __init__(
        self,
        connection: StoreConnection,
        shards: tuple[keys.ShardKeys, ...],
        *,
        sinks: tuple[str, ...] = (),
        states: StateManagerBase | None = None,
    ) -> None:
        self.sinks = sinks
        self.agenda = Agenda(connection, shards)
        self.cipher = cipher_of(connection.redis)
        self._connection = connection
        self._states = states

    @property
    def first_due(self) -> float | None:
        return self.agenda.first_due

    async def due(self, most: int = 100) -> list[str]:
        return await self.agenda.due(most)

    async def unended(self, call_sid: str) -> Unended | None:
        found = await self._connection.run_confirmed(scripts.look_at_open(call_sid=call_sid))
        head = None if found is None else self._head_of(call_sid, found)
        if found is None or head is None:
            return None
        if found.is_earlier:
            return Unended(head, None)
        try:
            state = await self._state_of(call_sid, found.state)
        except UnreadableState:  # perhaps not for a newer process: it is over once the state has expired
            return None
        if state is None or life_of(state) != found.life:
            return Unended(head, None) if state is not None or found.state_by_ms <= found.now_ms else None
        return Unended(head, state) if state.ended is not None and found.end_at_ms <= found.now_ms else None

    def _head_of(self, call_sid: str, found: scripts.OpenCall) -> CallHead | None:
        """Return the head; None if somebody has damaged it, or its key is missing: another process may have that."""
        try:
            return _read_head(SealedParts(self.cipher, call_sid).open_head(found.head))
        except UnreadableSeal:
            return None

    async def _state_of(self, call_sid: str, stored: bytes | None) -> ConversationState | None:
        """Return the state. Raise `UnreadableState`."""
        if self._states is not None:
            return await self._states.get_state(call_sid)
        return opened_state(self._connection.cipher, call_sid, stored) if stored else None

    async def end(self, unended: Unended, event: NewEvent | None) -> bool:
        call_sid, life = unended.head.call_sid, unended.head.life
        shard = self.agenda.shard_with(call_sid)
        ended = await self._connection.run_confirmed(
            scripts.end_life(call_sid=call_sid, life=life, new=event, cipher=self.cipher, shard=shard)
        )
        if ended:
            await self.settle_look(call_sid)
        return ended

    async def accept(self, announcement: Announcement) -> None:
        """Write what is told of a call that is accepted without a turn, once for each life of it."""
        await self._begin(scripts.accept_call, announcement)

    async def take_over(self, announcement: Announcement) -> None:
        await self._begin(scripts.take_over_outbox, announcement)

    async def _begin(self, script: scripts.Beginning, announcement: Announcement) -> None:
        call_sid = announcement.head.call_sid
        shard = self.agenda.shard_with(call_sid)
        await self.agenda.mark(call_sid, BEFORE_MS)
        await self._connection.run_confirmed(
            script(call_sid=call_sid, announcement=announcement, cipher=self.cipher, shard=shard)
        )
        await self.agenda.mark(call_sid)

    async def claim(self, call_sid: str, holder: str) -> Delivery | None:
        """Confirmed: what is delivered must not be taken back by a failover."""
        return await self._connection.run_confirmed(
            scripts.claim_outbox(call_sid=call_sid, holder=holder, cipher=self.cipher, sinks=self.sinks)
        )

    async def renew(self, leases: Sequence[DeliveryLease]) -> list[DeliveryLease]:
        if not leases:
            return []
        held = await self._connection.run_all([scripts.renew_delivery(lease=lease) for lease in leases])
        return [lease for lease, is_held in zip(leases, held, strict=True) if not is_held]

    async def settle(self, lease: DeliveryLease, sink: str, position: int, settlement: Settlement) -> bool:
        return await self._connection.run(
            scripts.settle_delivery(
                lease=lease, sink=sink, position=position, settlement=settlement, at=clock.now(), cipher=self.cipher
            )
        )

    async def release(self, lease: DeliveryLease) -> None:
        await self._look_again(lease.call_sid, lease)

    async def settle_look(self, call_sid: str) -> None:
        await self._look_again(call_sid, None)

    async def _look_again(self, call_sid: str, lease: DeliveryLease | None) -> None:
        shard = self.agenda.shard_with(call_sid)
        before = None if shard is not None else await self.agenda.entry(call_sid)
        at = await self._connection.run(
            scripts.look_again(
                call_sid=call_sid, lease=lease, elsewhere=self._states is not None, sinks=self.sinks, shard=shard
            )
        )
        await self.agenda.note(call_sid, before, at)

    async def stop_sink(self, stopped: StoppedSink) -> None:
        content = json.dumps(asdict(stopped)).encode()  # a sink of the user's may quote an event in its reason
        stored = self.cipher.seal(f"{keys.STOPPED_SINKS}/{stopped.sink}", content)
        await self._connection.command("HSET", keys.STOPPED_SINKS, stopped.sink, stored)
        await self._connection.command("EXPIRE", keys.STOPPED_SINKS, STOPPED_SECONDS)

    async def stopped_sinks(self) -> list[StoppedSink]:
        """Return the stopped sinks. They are kept for as long as somebody asks: each survey does."""
        found = await self._connection.command("HGETALL", keys.STOPPED_SINKS)
        if found:
            await self._connection.command("EXPIRE", keys.STOPPED_SINKS, STOPPED_SECONDS)
        entries = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
        return [stopped for name, stored in entries if (stopped := self._stopped(text(name), stored)) is not None]

    def _stopped(self, sink: str, stored: bytes) -> StoppedSink | None:
        """Return the stopped sink; None if it cannot be read."""
        try:
            fields = read_failures(self.cipher.open(f"{keys.STOPPED_SINKS}/{sink}", stored))
        except UnreadableSeal:
            return None
        return StoppedSink(**fields) if fields.keys() == StoppedSink.__dataclass_fields__.keys() else None

    async def resume_sink(self, sink: str) -> bool:
        return bool(await self._connection.command("HDEL", keys.STOPPED_SINKS, sink))

    async def undelivered(self, call_sid: str) -> list[Undelivered]:
        found = await self._connection.command("HGETALL", keys.outbox(call_sid))
        return undelivered_in(call_sid, found, self.cipher)

    async def calls(self, cursor: str = "", most: int = 100) -> tuple[list[str], str]:
        return await self.agenda.page(cursor, most)

    async def survey(self, cursor: str = "", most: int = 100) -> tuple[list[CallTally], str]:
        looks, following = await self.agenda.looks(cursor, most)
        surveyed = await self._connection.run_all(
            [
                survey_outbox(
                    call_sid=call_sid,
                    elsewhere=self._states is not None,
                    sinks=self.sinks,
                    shard=self.agenda.shard_with(call_sid),
                )
                for call_sid in looks
            ]
        )
        if not self.agenda.is_one_step:
            found = zip(looks.items(), surveyed, strict=True)
            await self.agenda.look_by({sid: at for (sid, look), (_, at) in found if at is not None and at < look})
        return [tally for tally, _ in surveyed if tally is not None], following

    async def replay(self, call_sid: str, position: int, sink: str) -> bool:
        shard = self.agenda.shard_with(call_sid)
        replayed = await self._connection.run(
            scripts.replay_event(call_sid=call_sid, position=position, sink=sink, shard=shard)
        )
        if replayed:
            await self.agenda.mark(call_sid)
        return replayed

    async def retry(self, call_sid: str, sink: str) -> bool:
        shard = self.agenda.shard_with(call_sid)
        retried = await self._connection.run(scripts.retry_delivery(call_sid=call_sid, sink=sink, shard=shard))
        if retried:
            await self.agenda.mark(call_sid)
        return retried

    async def drop(self, call_sid: str, position: int, sink: str) -> bool:
        dropped = await self._connection.run(scripts.drop_event(call_sid=call_sid, position=position, sink=sink))
        if dropped:
            await self.agenda.look_within(call_sid, 0)  # who drops may know none of the sinks
        return dropped


def _read_head(stored: bytes) -> CallHead | None:
    """Return the head, or None if somebody has damaged it. What an older or newer version has more is left out."""
    try:
        fields = json.loads(stored)
        head = CallHead(**{name: str(fields.get(name, "")) for name in CallHead.__dataclass_fields__})
    except (ValueError, AttributeError, RecursionError):
        return None
    return head if head.call_sid and head.life else None
