"""Erases what Redis has of a call, and ends what still runs of it. Each step may be repeated."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallErased
from orchestrator.events.outbox import NewEvent
from orchestrator.events.redis.agenda import Agenda
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.base import StateManagerBase
from orchestrator.state.redis.scripts import delete_state
from orchestrator.turns.goodbye import ending_turn, farewell_results
from orchestrator.turns.messages import arrival_message, settled_message
from orchestrator.turns.redis.admissions import Admissions
from orchestrator.turns.redis.call_queue import CallQueue
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from orchestrator.turns.redis.erasure_scripts import ErasedKeys, erase_call
from orchestrator.turns.redis.queue_scripts import JOB_ID_PREFIX
from orchestrator.turns.redis.scripts import Submitted
from orchestrator.turns.redis.tombstones import RedisTombstones
from orchestrator.turns.tombstone import is_of_a_provider


class RedisErasure:
    """A `CallErasure`. `secret` is what all ingresses of a deployment have in common; `agenda` is that of the outboxes,
    `states` a manager that keeps the states elsewhere, or None.

    The call's own keys go in one step, with what was to be told of it: nothing that runs can write of the call
    afterwards, because its leases are gone.
    """

    def __init__(
        self,
        connection: StoreConnection,
        call_queue: CallQueue,
        agenda: Agenda,
        dead_letters: RedisDeadLetters,
        admissions: Admissions,
        states: StateManagerBase | None,
        secret: bytes,
    ) -> None:
        self.tombstones = RedisTombstones(connection, secret)
        self._connection = connection
        self._call_queue = call_queue
        self._agenda = agenda
        self._dead_letters = dead_letters
        self._admissions = admissions
        self._states = states

    async def delete(self, call_sid: str) -> None:
        """Delete the call's keys and dead letters. Its outbox stays, and its end is told.

        The tombstone comes first: a webhook that arrives in between finds it. The lease keeps its epoch for a while, so
        that a worker that still runs the call cannot write into one that begins under its SID.
        """
        await self.tombstones.lay(checked_call_sid(call_sid))
        await self._admissions.give_back(call_sid)
        await self._connection.run(delete_state(call_sid=call_sid, shard=self._call_queue.shard_with(call_sid)))
        await self._call_queue.call_ended(call_sid)
        await self._dead_letters.erase(call_sid)

    async def begin(self, call_sid: str) -> bool:
        was_erased = await self.tombstones.has(checked_call_sid(call_sid))
        await self.tombstones.lay(call_sid)
        return was_erased

    async def forget(self, call_sid: str) -> None:
        await self.tombstones.lift(call_sid)

    async def erase(self, call_sid: str, told: NewEvent | None, *, is_known: bool, is_phone: bool) -> bool:
        letters = await self._dead_letters.erase(call_sid)
        erased = await self._erase_keys(call_sid, told, is_known=is_known or letters > 0, is_phone=is_phone)
        await self._end_what_runs(call_sid, erased, is_phone=is_phone)
        letters += await self._dead_letters.erase(call_sid)  # of a turn that was given up meanwhile
        lines = await self._admissions.erase(call_sid)
        return bool(erased.found or letters or lines)

    async def is_of_erased(self, state: ConversationState) -> bool:
        """True if the call of this state was erased, and the state had begun by then."""
        at = await self.tombstones.laid_at(state.call_sid)
        return at is not None and state.created_at.timestamp() <= at

    async def before_submit(self, call_sid: str, opening: Mapping[str, Any] | None) -> None:
        """Raise `CallErased` if a provider's webhook would begin a call that was erased."""
        if opening is not None and is_of_a_provider(opening) and await self.tombstones.has(call_sid):
            raise CallErased

    async def after_find(self, call_sid: str) -> None:
        """Undo what a search for a turn wrote of a call that was erased: who listens to it."""
        await self.drop(call_sid, keys.call(call_sid).listeners)

    async def drop(self, call_sid: str, key: str) -> bool:
        """Delete what was written to this key of a call, if the call was erased. Return whether it was."""
        was_erased = await self.tombstones.has(call_sid)
        if was_erased:
            await self._connection.command("DEL", key, _write_mark(call_sid))
        return was_erased

    async def after_submit(self, turn: Turn, opening: Mapping[str, Any] | None, submitted: Submitted) -> None:
        """Undo what a submit wrote of a call that was erased while it was under way. Raise `CallErased`.

        The provider's word that such a call is over is written to keep it from beginning: that the tombstone does, and
        without naming the call.
        """
        call_sid = turn.call_sid
        if submitted.status == "unknown" and turn.kind == "ended":
            await self.drop(call_sid, keys.call(call_sid).lease)
        if opening is None or not is_of_a_provider(opening) or not (submitted.created or self._states is not None):
            return
        if await self.tombstones.has(call_sid):
            await self._erase_keys(call_sid, None, is_known=False, is_phone=True)
            if self._states is not None:
                await self._states.delete_state(call_sid)
            raise CallErased

    async def _erase_keys(self, call_sid: str, told: NewEvent | None, *, is_known: bool, is_phone: bool) -> ErasedKeys:
        shard = self._call_queue.shard_with(call_sid)
        erasing = erase_call(
            call_sid=call_sid,
            told=told,
            cipher=self._connection.cipher,
            is_known=is_known,
            keeps_epoch=not is_phone,
            shard=shard,
        )
        erased = await self._connection.run_confirmed(erasing)
        await self._connection.command("DEL", _write_mark(call_sid))  # which was written to have that confirmed
        await self._forget_in_shard(call_sid, erased)
        if erased.limited_as:
            await self._connection.command("ZREM", keys.limited_calls(erased.limited_as), call_sid)
        return erased

    async def _forget_in_shard(self, call_sid: str, erased: ErasedKeys) -> None:
        """Take the call off the indexes and queues of its shard. Without one of a single step, also off its agenda."""
        shard = keys.shard_of(self._call_queue.shards, call_sid)
        for index in (shard.calls, shard.due, shard.schedules):
            await self._connection.command("ZREM", index, call_sid)
        job = JOB_ID_PREFIX + call_sid
        for lane in await self._lanes(shard, erased):
            await self._connection.command("ZREM", lane, job)
        for key in (shard.job(job), shard.in_progress(job)):
            await self._connection.command("DEL", key)
        if erased.is_told:
            await self._agenda.mark(call_sid)
        else:
            await self._connection.command("ZREM", shard.agenda, call_sid)

    async def _lanes(self, shard: keys.ShardKeys, erased: ErasedKeys) -> Iterable[str]:
        """Return every queue that may have the call's job, also if an earlier attempt has read its lease."""
        versions = {text_of(name) for name in await self._connection.command("ZRANGE", shard.versions, 0, -1)}
        bases = [shard.queue, *(shard.version_queue(name) for name in sorted({*versions, erased.version} - {""}))]
        lanes = list(bases)
        for base in bases:
            tenants = {text_of(name) for name in await self._connection.command("ZRANGE", f"{base}:tenants", 0, -1)}
            lanes += [f"{base}:tenant:{tenant}" for tenant in sorted({*tenants, erased.tenant} - {""})]
        return lanes

    async def _end_what_runs(self, call_sid: str, erased: ErasedKeys, *, is_phone: bool) -> None:
        """Stop the turn that runs, and have those who wait, and whoever has the caller on the line, say goodbye."""
        cipher = self._connection.cipher
        if erased.holder:
            message = arrival_message(ending_turn(call_sid), cipher)
            await self._connection.command("PUBLISH", keys.control_channel(erased.holder), message)
        results = farewell_results(call_sid, erased.waiting, is_phone=is_phone)
        for channel, result in product(erased.listeners, results):
            message = settled_message(call_sid, result.turn_id, 0, result.model_dump_json(), cipher)
            await self._connection.command("PUBLISH", channel, message)


def _write_mark(call_sid: str) -> str:
    return keys.write_mark_beside(keys.state(call_sid))
