"""The turn store in Redis: what a method does to a call is one script, so it happens whole or not at all."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from redis.asyncio import Redis

from orchestrator.clock import utc_now
from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.silence import RUNNING_SECONDS, seconds_open
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import (
    CallEnded,
    CallErased,
    CallRefused,
    StateConflict,
    StoreUnavailable,
    TurnRejected,
    UnknownCall,
    VoiceAgentError,
)
from orchestrator.redis import keys
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.replicas import ReplicaWait
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.call_limits import CallLimits
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.ended_early import ENDED_EARLY_MS
from orchestrator.turns.messages import Piece, Token, arrival_message, settled_message, token_message
from orchestrator.turns.redis.call_queue import GRACE_MS, JOB_FUNCTION, JOB_ID_PREFIX, call_queue_of
from orchestrator.turns.redis.entries import interruption, waiting_turn
from orchestrator.turns.redis.erasure import RedisErasure
from orchestrator.turns.redis.leases import RedisTurnLeases
from orchestrator.turns.redis.scripts import TurnScripts
from orchestrator.turns.store import Claim, Commit, Lease
from orchestrator.turns.tombstone import is_of_a_provider

logger = logging.getLogger(__name__)

RESULTS_MS = 300_000
"""How long the results of a call at rest are kept beside its state, which has them too. Repetitions come sooner; a
later one is given to a worker, who finds the turn in the state."""

RUNNING_MS = int(RUNNING_SECONDS * 1000)

_REFUSALS: dict[bytes, type[VoiceAgentError]] = {
    b"unknown": UnknownCall,
    b"ended": CallEnded,
    b"refused": CallRefused,
    b"crowded": TurnRejected,
}


class RedisTurnStore(RedisTurnLeases):
    """Inboxes and leases in Redis, beside the states.

    `redis` answers in bytes. `states` is a manager that keeps the states elsewhere; without it they are in the same
    Redis and are written in the commit's own script. `listener` is the channel on which this ingress hears
    replies ("" in a worker). `shards` are used instead of those that go with `redis`. `secret` is for what is
    kept of erased calls: the same in every process that begins calls.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        ttl_seconds: int,
        ended_ttl_seconds: int | None = None,
        lease_seconds: float = 2.0,
        states: StateManagerBase | None = None,
        listener: str = "",
        max_active_calls: int | None = None,
        api_max_active_calls: int | None = None,
        shards: tuple[keys.ShardKeys, ...] | None = None,
        breaker: Breaker | None = None,
        wait: ReplicaWait | None = None,
        secret: bytes = b"",
    ) -> None:
        guard = breaker.guard if breaker is not None else nullcontext
        scripts = TurnScripts(redis, guard, wait)
        call_queue = call_queue_of(shards or shards_of(redis), scripts, max(ttl_seconds * 1000, RUNNING_MS))
        super().__init__(
            redis, scripts, guard, listener, call_queue, states, lease_seconds=lease_seconds, ttl_seconds=ttl_seconds
        )
        self._ended_ms = self.life_ms if ended_ttl_seconds is None else ended_ttl_seconds * 1000
        self._limits = CallLimits(max_active_calls, api_max_active_calls)
        self._erasure = RedisErasure(redis, scripts, call_queue, secret)

    async def submit(
        self, turn: Turn, *, opening: Mapping[str, Any] | None = None, stream: bool = False
    ) -> TurnResult | None:
        call_sid = checked_call_sid(turn.call_sid)
        limit = self._limits.for_opening(opening) if opening is not None else None
        if opening is not None and is_of_a_provider(opening) and await self.is_erased(call_sid):
            raise CallErased
        try:
            opening_json, life = await self._opening(call_sid, opening, limit)
        except UnknownCall:
            if turn.kind == "ended":
                await self._is_over(call_sid, note=True)
            raise
        rings = opening is not None and opening.get("channel") != "api"
        kept_ms = self._kept_ms(ConversationState(call_sid=call_sid, **(opening or {})) if rings else None)
        submit = partial(self._submit, turn, stream, opening_json, life, kept_ms)
        answer = await submit("" if limit is None else limit)
        if answer[0] == b"refused" and limit is not None and await self.call_queue.has_room(limit):
            answer = await submit("")
        if answer[0] in _REFUSALS:
            raise _REFUSALS[answer[0]]
        if answer[0] == b"recorded":
            return await self._result(call_sid, turn.turn_id, answer[1])
        if answer[-1] == b"created":
            logger.info("Created conversation state in Redis", extra={"action": "state.created", "call_sid": call_sid})
        if answer[0] == b"queued":
            await self.call_queue.enqueue(call_sid)
        return None

    def _kept_ms(self, state: ConversationState | None) -> int:
        """How long a call is kept from now: an open one for as long as its caller may be silent."""
        if state is not None and state.ended is not None:
            return self._ended_ms
        return max(self.life_ms, int(seconds_open(state) * 1000) if state is not None else 0)

    async def _submit(
        self, turn: Turn, stream: bool, opening_json: str, life: str, kept_ms: int, limit: int | str
    ) -> Sequence[Any]:
        call_sid = turn.call_sid
        answer: Sequence[Any] = await self._scripts.run_confirmed(
            "submit",
            [*keys.call(call_sid).all, *self.call_queue.script_keys(call_sid)],
            [
                call_sid, turn.turn_id, turn.model_dump_json(), self._listener, "1" if stream else "",
                "1" if turn.kind == "ended" else "", opening_json, max(kept_ms, RUNNING_MS), limit,
                JOB_ID_PREFIX + call_sid, JOB_FUNCTION, GRACE_MS, "" if self.states is None else "1",
                keys.control_channel(""), arrival_message(turn), life, ENDED_EARLY_MS, RUNNING_MS,
            ],
        )  # fmt: skip
        return answer

    async def _opening(self, call_sid: str, opening: Mapping[str, Any] | None, limit: int | None) -> tuple[str, str]:
        """The JSON of a state to begin the call with; of states kept elsewhere, which life of the SID this is."""
        if self.states is not None:
            state = await self._opened_elsewhere(self.states, call_sid, opening, limit)
            return "", state.created_at.isoformat()
        if opening is None:
            return "", ""
        return ConversationState(call_sid=call_sid, version=1, **opening).model_dump_json(), ""

    async def _opened_elsewhere(
        self, states: StateManagerBase, call_sid: str, opening: Mapping[str, Any] | None, limit: int | None
    ) -> ConversationState:
        state = await states.get_state(call_sid)
        if state is not None:
            return state
        if opening is None:
            raise UnknownCall
        if await self._is_over(call_sid):
            raise CallEnded
        if limit is not None and await states.get_active_calls_count() >= limit:
            raise CallRefused
        return await states.create_state(call_sid, **opening)

    async def _is_over(self, call_sid: str, *, note: bool = False) -> bool:
        """Whether the provider has said that the call, which is unknown here, is over; or `note` that it says so."""
        name = keys.call(call_sid).lease
        return bool(await self._scripts.run("ended_early", [name], [ENDED_EARLY_MS if note else ""]))

    async def publish(self, lease: Lease, turn_id: str, piece: Piece) -> bool:
        call = keys.call(lease.call_sid)
        message = token_message(Token(lease.call_sid, turn_id, lease.epoch, piece))
        told = await self._scripts.run("publish", [call.lease, call.listeners], [lease.holder, lease.epoch, message])
        return int(told) >= 0

    async def commit(
        self, claim: Claim, state: ConversationState | None, record: TurnRecord, *, keep: bool = True
    ) -> Commit:
        lease = claim.lease
        written, version, state_json = state, "", b""
        if self.states is not None:
            try:
                written = await self._write_elsewhere(state, record)
            except StateConflict:
                stored = await self.states.get_state(lease.call_sid)
                if stored is not None:
                    return Commit("conflict", state=stored)
                written = None
            version = "" if written else "gone"
            record = (written and written.record_of(record.turn_id)) or record
        else:
            written = state and state.model_copy(update={"version": state.version + 1, "updated_at": utc_now()})
            version = str(state.version) if state else "gone" if claim.unreadable else "0"
            state_json = self._texts.write(written) if written else b""
        result_json = record.result(lease.call_sid).model_dump_json()
        message = settled_message(lease.call_sid, record.turn_id, lease.epoch, result_json)
        answer = await self._scripts.run_confirmed(
            "commit",
            [*keys.call(lease.call_sid).all, *self.call_queue.script_keys(lease.call_sid)],
            [
                lease.call_sid, lease.holder, lease.epoch, record.turn_id, version, state_json,
                self._kept_ms(written),
                result_json, "" if self._scripts.are_confirmed else message,
                "1" if written and written.ended else "", "1" if keep else "", self.lease_ms,
                JOB_ID_PREFIX + lease.call_sid, JOB_FUNCTION, RESULTS_MS,
            ],
        )  # fmt: skip
        if self._scripts.are_confirmed and answer[0] in (b"committed", b"gone"):
            await self._scripts.run("tell", [keys.call(lease.call_sid).listeners], [message])
        with suppress(StoreUnavailable):  # the turn is settled; what is missed here, the rescuer does
            if answer[1] == b"left":
                await self.call_queue.enqueue(lease.call_sid)
            elif written and written.ended and answer[0] == b"committed":
                await self.call_queue.call_ended(lease.call_sid)
        return await self._commit_answer(claim, written, answer, state_json)

    async def _write_elsewhere(self, state: ConversationState | None, record: TurnRecord) -> ConversationState | None:
        """Commit a state that another store keeps. Repeating it after a lost answer finds the record there."""
        assert self.states is not None
        if state is None:
            return None
        try:
            return await self.states.update_state(state)
        except StateConflict:
            stored = await self.states.get_state(state.call_sid)
            if stored is not None and stored.record_of(record.turn_id) is not None:
                return stored
            raise

    async def _commit_answer(
        self, claim: Claim, written: ConversationState | None, answer: Sequence[Any], state_json: bytes
    ) -> Commit:
        status, following, stored = answer
        name = status.decode()
        if name in ("conflict", "recorded"):
            written = await self._state(claim.lease.call_sid, stored)
        if name == "gone":
            written = None
        if not following or following == b"left":
            return Commit(name, state=written)
        attempt, ending, streamed, body, later, turn_id = following
        turn = waiting_turn(claim.lease.call_sid, turn_id, body)
        if turn is None:
            await self._discard(claim.lease, turn_id, body)
            return Commit(name, state=written)
        following = Claim(
            lease=claim.lease,
            turn=turn,
            state=written,
            attempt=int(attempt),
            ending=ending == b"1",
            streamed=streamed == b"1",
            interruption=interruption(later),
            stored_bytes=len(stored or state_json) if self.states is None else None,
        )
        return Commit(name, following, written)

    async def reject(self, call_sid: str, turn_id: str) -> bool:
        call = keys.call(call_sid)
        result_json = TurnResult(call_sid=call_sid, turn_id=turn_id, outcome="dropped").model_dump_json()
        message = settled_message(call_sid, turn_id, 0, result_json)
        rejected = [call.inbox, call.turns, call.lease, call.listeners]
        return bool(await self._scripts.run("reject", rejected, [turn_id, result_json, message]))

    async def dead_letter(self, claim: Claim, reason: str) -> None:
        with self._guard():
            await self._erasure.dead_letters.put(DeadLetter(turn=claim.turn, attempts=claim.attempt, reason=reason))

    async def dead_letters(self) -> list[DeadLetter]:
        with self._guard():
            return await self._erasure.dead_letters.all()

    async def erase(self, call_sid: str) -> None:
        await self._erasure.erase(call_sid)

    async def is_erased(self, call_sid: str) -> bool:
        return await self._erasure.is_erased(call_sid)

    async def rescue(self, *, most: int = 100, again_ms: int = 1000, grace_ms: int = 0) -> list[str]:
        """Wake workers for calls whose turns wait though nobody holds them; the call SIDs.

        After a time of `grace_ms` in which nobody asked, because nobody could, nobody is woken for as long: whoever
        holds a lease that ran out meanwhile renews it first.
        """
        return await self.call_queue.rescue(most, again_ms, grace_ms)

    @property
    def is_idle(self) -> bool:
        """Whether the last rescue found that no turn waits and none runs anywhere."""
        return self.call_queue.is_idle
