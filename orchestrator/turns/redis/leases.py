"""The leases of the turn store in Redis: who may run a call's turns."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from pydantic import ValidationError
from redis.asyncio import Redis

from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StoreDamaged, UnreadableState
from orchestrator.redis import keys
from orchestrator.redis.damage import is_wrong_type, text_of
from orchestrator.redis.errors import store_errors
from orchestrator.state.base import StateManagerBase
from orchestrator.state.reading import read_state
from orchestrator.state.reading import unreadable as unreadable_state
from orchestrator.turns.redis.call_queue import JOB_FUNCTION, JOB_ID_PREFIX, CallQueue
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from orchestrator.turns.redis.entries import interruption, waiting_turn
from orchestrator.turns.redis.reading import RedisTurnReading
from orchestrator.turns.redis.scripts import TurnScripts
from orchestrator.turns.state_json_cache import StateJsonCache
from orchestrator.turns.store import Claim, Lease

LEASE_RECORD_EXTRA_MS = 60_000


class RedisTurnLeases(RedisTurnReading):
    """That part of `RedisTurnStore`: a lease is granted, renewed, and given back."""

    def __init__(
        self,
        redis: Redis,
        scripts: TurnScripts,
        guard: Callable[[], AbstractContextManager[None]],
        listener: str,
        call_queue: CallQueue,
        states: StateManagerBase | None,
        *,
        lease_seconds: float,
        ttl_seconds: int,
    ) -> None:
        super().__init__(redis, scripts, guard, listener)
        self.call_queue = call_queue
        self.states = states
        self.lease_ms = int(lease_seconds * 1000)
        self.life_ms = ttl_seconds * 1000
        self._texts = StateJsonCache(read_state)
        self._dead_letters = RedisDeadLetters(redis)

    @property
    def lease_record_ms(self) -> int:
        """How long the record of a lease outlives its last use: longer than the state, so that epochs only grow."""
        return self.life_ms + LEASE_RECORD_EXTRA_MS

    @property
    def on_approval(self) -> str:
        """ "1" if a claim is to be confirmed before the agent begins, and counts as an attempt only then."""
        return "1" if self._scripts.are_confirmed else ""

    async def claim(self, call_sid: str, holder: str) -> Claim | None:
        call = keys.call(call_sid)
        granted = await self._scripts.run(
            "claim",
            [call.state, call.inbox, call.turns, call.lease, *self.call_queue.script_keys(call_sid)[1:2]],
            [call_sid, holder, self.lease_ms, self.lease_record_ms, self.on_approval],
        )
        return None if granted is None else await self.granted(call_sid, holder, granted)

    async def granted(self, call_sid: str, holder: str, answer: Sequence[Any]) -> Claim | None:
        """The claim that a script has answered: {epoch, attempt, ending, streamed, turn, interruption, state, id}.

        None when what waits is no turn: it is put among the dead letters, and the call is anybody's again.
        """
        epoch, attempt, ending, streamed, body, later, stored, turn_id = answer
        lease, turn = Lease(call_sid, holder, int(epoch)), waiting_turn(call_sid, turn_id, body)
        if turn is None:
            await self._discard(lease, turn_id, body)
            return None
        state, unreadable = None, False
        try:
            state = await self._state(call_sid, stored)
        except UnreadableState:
            unreadable = True
        return Claim(
            lease=lease,
            turn=turn,
            state=state,
            attempt=int(attempt),
            ending=ending == b"1",
            streamed=streamed == b"1",
            unreadable=unreadable,
            confirmed=not self._scripts.are_confirmed,
            interruption=interruption(later),
            stored_bytes=len(stored) if stored and self.states is None else None,
        )

    async def _discard(self, lease: Lease, turn_id: bytes, body: bytes) -> None:
        """Take off the inbox what cannot be run, nor be settled by its id."""
        call = keys.call(lease.call_sid)
        what = f"{text_of(turn_id)} in {call.turns}"
        await self._dead_letters.put_unreadable(lease.call_sid, what, "it is no turn of this call", body)
        await self._scripts.run("discard", [call.inbox, call.turns, call.lease], [lease.holder, lease.epoch, turn_id])
        await self.give_back(lease, "")

    async def _stored_state(self, call_sid: str) -> ConversationState | None:
        if self.states is not None:
            return await self._state(call_sid, None)
        try:
            return await self._state(call_sid, await self._scripts.command("GET", keys.state(call_sid)))
        except StoreDamaged:
            raise UnreadableState from None

    async def _state(self, call_sid: str, stored: bytes | None) -> ConversationState | None:
        if self.states is None:
            return self._texts.read(call_sid, stored) if stored else None
        try:
            return await self.states.get_state(call_sid)
        except ValidationError as error:
            raise unreadable_state(call_sid, error) from None

    async def confirm(self, claim: Claim) -> bool:
        lease, name = claim.lease, keys.call(claim.lease.call_sid).lease
        held = await self._scripts.run_confirmed(
            "renew",
            [name, *self.call_queue.script_keys(lease.call_sid)[1:2]],
            [lease.call_sid, lease.holder, lease.epoch, self.lease_ms],
        )
        return bool(held and await self._scripts.run("begin", [name], [lease.holder, lease.epoch, claim.attempt]))

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        if not leases:
            return []
        with self._guard(), store_errors():
            async with self.redis.pipeline(transaction=False) as pipe:
                for lease in leases:
                    await self._scripts["renew"](
                        keys=[keys.call(lease.call_sid).lease, *self.call_queue.script_keys(lease.call_sid)[1:2]],
                        args=[lease.call_sid, lease.holder, lease.epoch, self.lease_ms],
                        client=pipe,
                    )
                answers = await pipe.execute(raise_on_error=False)
        held = [await self._renewed(lease, answer) for lease, answer in zip(leases, answers, strict=True)]
        return [lease for lease, is_held in zip(leases, held, strict=True) if not is_held]

    async def _renewed(self, lease: Lease, answer: Any) -> bool:
        """Whether the lease is still held. One whose key is of the wrong type must not cost the others theirs."""
        if not isinstance(answer, Exception):
            return bool(answer)
        if not is_wrong_type(answer):
            with store_errors():
                raise answer
        name = keys.call(lease.call_sid).lease
        script_keys = [name, *self.call_queue.script_keys(lease.call_sid)[1:2]]
        args = [lease.call_sid, lease.holder, lease.epoch, self.lease_ms]
        return bool(await self._scripts.run("renew", script_keys, args))

    async def release(self, claim: Claim) -> None:
        await self.give_back(claim.lease, claim.turn.turn_id)

    async def retry_later(self, claim: Claim, seconds: float) -> None:
        await self.give_back(claim.lease, claim.turn.turn_id, int(seconds * 1000))

    async def give_back(self, lease: Lease, turn_id: str, pause_ms: int | str = "") -> None:
        """`release`, or with a pause `retry_later`, of the turn that was granted with the lease."""
        call = keys.call(lease.call_sid)
        released = await self._scripts.run(
            "release",
            [call.inbox, call.turns, call.lease, *self.call_queue.script_keys(lease.call_sid)[1:]],
            [
                lease.call_sid, lease.holder, lease.epoch, JOB_ID_PREFIX + lease.call_sid, JOB_FUNCTION,
                turn_id, pause_ms,
            ],
        )  # fmt: skip
        if released == 2:
            await self.call_queue.enqueue(lease.call_sid)
