"""The turn store in Redis: what a method does to a call is one script, so it happens whole or not at all."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.silence import RUNNING_SECONDS
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import UnknownCall
from orchestrator.events.call_events import CallEvents
from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.redis import keys
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.replicas import ReplicaWait
from orchestrator.redis.script_call import ScriptCall
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.routes.admission import Admission
from orchestrator.schedule.redis.schedule import RedisSchedule
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.admission import Limits
from orchestrator.turns.call_limits import CallLimits
from orchestrator.turns.call_rates import NO_RATES, CallRates
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.messages import Piece, Token, arrival_message, token_message
from orchestrator.turns.redis import lease_scripts, scripts
from orchestrator.turns.redis.admissions import REFUSALS, Admissions
from orchestrator.turns.redis.announcing import Announcing
from orchestrator.turns.redis.call_queue import call_queue_of
from orchestrator.turns.redis.claims import ClaimReader
from orchestrator.turns.redis.commits import CallLives, Commits
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from orchestrator.turns.redis.entries import Entries
from orchestrator.turns.redis.erasure import RedisErasure
from orchestrator.turns.redis.job_claims import JobClaims
from orchestrator.turns.redis.lane import NO_TAKER, Taker
from orchestrator.turns.redis.scheduling import Scheduling
from orchestrator.turns.redis.state_writer import Opening, state_writer
from orchestrator.turns.redis.turn_reader import TurnReader
from orchestrator.turns.store import Claim, Commit, Found, Lease

logger = logging.getLogger(__name__)

LEASE_RECORD_EXTRA_MS = 60_000
"""The record of a lease outlives the state by so much: epochs only grow."""
RUNNING_MS = int(RUNNING_SECONDS * 1000)
_GOES_ON = Limits(), Opening()


class RedisTurnStore:
    """A `TurnStore`: inboxes and leases in Redis, beside the states.

    `redis` answers in bytes. `states` is a manager that keeps the states elsewhere; without it they are in the same
    Redis and are written in the commit's own script. `listener` is the channel on which this ingress receives
    replies ("" in a worker). `shards` are used instead of those that go with `redis`. `secret` is for what is
    kept of erased calls: the same in every process that begins calls. With `push`, a submit grants the call to a worker
    that has room, and sends the grant along, if the server has all keys, and nothing need be confirmed or read first.

    `taker` says which calls this worker takes, and what they are pinned to.

    With `events`, what happens in calls is written into their `outbox`; this process delivers to `sinks`.

    `job_claims` claims jobs, `claims` opens what was granted, `reader` finds many turns at once, `call_queue` rescues
    calls.
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
        shards: tuple[ShardKeys, ...] | None = None,
        breaker: Breaker | None = None,
        wait: ReplicaWait | None = None,
        secret: bytes = b"",
        push: bool = False,
        events: CallEvents | None = None,
        sinks: tuple[str, ...] = (),
        taker: Taker = NO_TAKER,
        rates: CallRates = NO_RATES,
    ) -> None:
        self.redis = redis
        self.states = states
        self.lease_ms = int(lease_seconds * 1000)
        self.life_ms = ttl_seconds * 1000
        self._lease_record_ms = self.life_ms + LEASE_RECORD_EXTRA_MS
        self._lives = CallLives(self.life_ms, self.life_ms if ended_ttl_seconds is None else ended_ttl_seconds * 1000)
        self._listener = listener
        guard = nullcontext if breaker is None else breaker.guard
        self.connection = connection = StoreConnection(redis, guard, wait)
        self._entries = Entries(connection.cipher)
        shards = shards or shards_of(redis)
        self.outbox = RedisOutbox(connection, shards, sinks=sinks, states=states)
        self.schedule = RedisSchedule(connection, shards, self.outbox.agenda, life_ms=self.life_ms)
        self.scheduling = Scheduling(self.schedule)
        life_ms = max(self.life_ms, RUNNING_MS)
        self.call_queue = call_queue_of(shards, connection, life_ms, on_scheduled=self.schedule.index.noticed)
        self.announcing = Announcing(self.outbox, events)
        self._writer = state_writer(states, connection)
        self.reader = TurnReader(connection, self._writer, listener)
        self._dead_letters = RedisDeadLetters(redis)
        has_calls = len(self.call_queue.shards) == 1
        can_push = push and has_calls and states is None and not connection.is_confirmed
        self._room = keys.worker_room() if can_push else None
        self._pushed_lease_ms = self.lease_ms // 2
        self.claims = ClaimReader(
            connection, self.call_queue, self._writer, self._dead_letters,
            lease_ms=self.lease_ms, late_ms=self._pushed_lease_ms / 2, room=self._room,
        )  # fmt: skip
        self.job_claims = JobClaims(
            connection, lease_ms=self.lease_ms, lease_record_ms=self._lease_record_ms, has_calls=has_calls,
            room=self._room, taker=taker,
        )  # fmt: skip
        self._taker = taker
        self._commits = Commits(
            connection, self.call_queue, self._writer, self.claims, self.announcing, self.scheduling, self._lives,
            lease_ms=self.lease_ms, room=self._room, version=taker.version,
        )  # fmt: skip
        self.admissions = Admissions(
            connection, self.call_queue, states, self.life_ms, CallLimits(max_active_calls, api_max_active_calls), rates
        )
        self.erasure = RedisErasure(
            connection, self.call_queue, self.outbox.agenda, self._dead_letters, self.admissions, states, secret
        )

    async def submit(
        self,
        turn: Turn,
        *,
        opening: Mapping[str, Any] | None = None,
        stream: bool = False,
        admission: Admission | None = None,
    ) -> TurnResult | None:
        call_sid = checked_call_sid(turn.call_sid)
        if opening is None and self.states is None:  # as most turns: what follows is only for calls that may begin
            limits, opened = _GOES_ON
        else:
            await self.erasure.before_submit(call_sid, opening)
            limits = await self.admissions.limits(call_sid, opening, admission)
            opened = await self._open(turn, opening, limits)
        submitted = await self._submit(turn, stream, opened, limits)
        if submitted.status == "refused" and await self.admissions.may_begin(call_sid, limits):
            submitted = await self._submit(turn, stream, opened, Limits(limited_as=limits.limited_as), is_admitted=True)
        await self.erasure.after_submit(turn, opening, submitted)
        if submitted.status in REFUSALS:
            raise REFUSALS[submitted.status]
        if submitted.status == "recorded":
            return await self.reader.result(call_sid, turn.turn_id, submitted.result)
        if submitted.created:
            logger.info("Created conversation state in Redis", extra={"action": "state.created", "call_sid": call_sid})
        if submitted.status == "queued":
            await self.call_queue.enqueue(call_sid, look=submitted.is_to_be_looked_at, lane=submitted.lane)
        return None

    async def _open(self, turn: Turn, opening: Mapping[str, Any] | None, limits: Limits) -> Opening:
        try:
            admit = partial(self.admissions.take, turn.call_sid, limits)
            return await self._writer.open(turn.call_sid, opening, limits.all, admit)
        except UnknownCall:
            if turn.kind == "ended" and not await self.is_erased(turn.call_sid):
                await self.connection.run(scripts.ended_early(call_sid=turn.call_sid, note=True))
            raise

    async def _submit(
        self, turn: Turn, stream: bool, opened: Opening, limits: Limits, *, is_admitted: bool = False
    ) -> scripts.Submitted:
        shard = self.call_queue.shard_with(turn.call_sid)
        announced = self.announcing.of_submit(turn, opened, shard)
        submitted = await self.connection.run_confirmed(
            scripts.submit(
                turn=turn,
                turn_json=self._entries.sealed_turn(turn, clock.now()),
                notice=arrival_message(turn, self.connection.cipher),
                shard=shard,
                listener=self._listener,
                wants_tokens=stream,
                opening_json=opened.json,
                limits=limits,
                is_admitted=is_admitted,
                elsewhere_since=opened.elsewhere_since,
                keep_ms=max(self._lives.kept_ms(opened.ringing), RUNNING_MS),
                running_ms=RUNNING_MS,
                room=self._room,
                pushed_lease_ms=self._pushed_lease_ms,
                announced=announced,
                tenant=keys.tenant_tag(opened.tenant),
            )
        )
        await self.announcing.after_submit(announced, submitted, turn)
        return submitted

    async def accept(self, state: ConversationState, admission: Admission | None = None) -> None:
        if admission is not None:
            await self.admissions.count(state.call_sid, admission.limited_as)
        if state.tenant:
            tenant = keys.tenant_tag(state.tenant)
            await self.connection.run(
                lease_scripts.note_tenant(call_sid=state.call_sid, tenant=tenant, keep_ms=self._lease_record_ms)
            )
        await self.announcing.accepted(state)

    async def has_room(self, admission: Admission) -> bool:
        return await self.admissions.has_room(admission)

    async def check_destination(self, number: str, order: str) -> None:
        await self.admissions.check_destination(number, order)

    async def find(self, call_sid: str, turn_id: str) -> Found:
        found = await self.reader.find(checked_call_sid(call_sid), turn_id)
        if found is None:
            await self.erasure.after_find(call_sid)
        return found

    async def waiting(self, call_sid: str) -> list[str]:
        return await self.reader.waiting(checked_call_sid(call_sid))

    async def claim(self, call_sid: str, holder: str) -> Claim | None:
        grant = await self.connection.run(
            lease_scripts.claim(
                call_sid=call_sid,
                holder=holder,
                lease_ms=self.lease_ms,
                lease_record_ms=self._lease_record_ms,
                on_approval=self.connection.is_confirmed,
                shard=self.call_queue.shard_with(call_sid),
                pin=self._taker.pin,
            )
        )
        return None if grant is None else await self.claims.open(grant)

    async def confirm(self, claim: Claim) -> bool:
        held = await self.connection.run_confirmed(self._renewal(claim.lease))
        return held and await self.connection.run(lease_scripts.count_attempt(lease=claim.lease, attempt=claim.attempt))

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        if not leases:
            return []
        held = await self.connection.run_all([self._renewal(lease) for lease in leases])
        return [lease for lease, is_held in zip(leases, held, strict=True) if not is_held]

    def _renewal(self, lease: Lease) -> ScriptCall[bool]:
        return lease_scripts.renew(
            lease=lease, lease_ms=self.lease_ms, shard=self.call_queue.shard_with(lease.call_sid)
        )

    async def publish(self, lease: Lease, turn_id: str, piece: Piece) -> bool:
        message = token_message(Token(lease.call_sid, turn_id, lease.epoch, piece), self.connection.cipher)
        return await self.connection.run(scripts.publish(lease=lease, message=message))

    async def commit(
        self,
        claim: Claim,
        state: ConversationState | None,
        record: TurnRecord,
        *,
        keep: bool = True,
        is_recorded: bool = False,
    ) -> Commit:
        return await self._commits.commit(claim, state, record, keep=keep, is_recorded=is_recorded)

    async def reject(self, call_sid: str, turn_id: str) -> bool:
        return await self._commits.reject(call_sid, turn_id)

    async def release(self, claim: Claim) -> None:
        await self.claims.give_back(claim.lease, claim.turn.turn_id)

    async def retry_later(self, claim: Claim, seconds: float, *, is_attempt: bool = True) -> None:
        await self.claims.give_back(claim.lease, claim.turn.turn_id, int(seconds * 1000), is_attempt=is_attempt)

    async def dead_letter(self, claim: Claim, reason: str) -> None:
        with self.connection.guarded():
            await self._dead_letters.put(DeadLetter(turn=claim.turn, attempts=claim.attempt, reason=reason))

    async def dead_letters(self) -> list[DeadLetter]:
        with self.connection.guarded():
            return await self._dead_letters.all()

    async def erase(self, call_sid: str) -> None:
        await self.erasure.delete(call_sid)
        await self.announcing.after_erasure(call_sid)

    async def is_erased(self, call_sid: str) -> bool:
        return await self.erasure.tombstones.has(call_sid)
