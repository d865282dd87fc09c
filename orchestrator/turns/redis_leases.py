"""The leases of the turn store in Redis: who may run a call's turns."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from pydantic import ValidationError
from redis.asyncio import Redis

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import UnreadableState
from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors
from orchestrator.state.base import StateManagerBase
from orchestrator.state.reading import read_state
from orchestrator.state.reading import unreadable as unreadable_state
from orchestrator.turns.redis_hub import JOB_FUNCTION, JOB_ID_PREFIX, Hub
from orchestrator.turns.redis_reading import RedisTurnReading
from orchestrator.turns.redis_scripts import TurnScripts
from orchestrator.turns.state_texts import StateTexts
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
        hub: Hub,
        states: StateManagerBase | None,
        *,
        lease_seconds: float,
        ttl_seconds: int,
    ) -> None:
        super().__init__(redis, scripts, guard, listener)
        self.hub = hub
        self.states = states
        self.lease_ms = int(lease_seconds * 1000)
        self.life_ms = ttl_seconds * 1000
        self._texts = StateTexts(read_state)

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
            [call.state, call.inbox, call.turns, call.lease, *self.hub.script_keys(call_sid)[1:2]],
            [call_sid, holder, self.lease_ms, self.lease_record_ms, self.on_approval],
        )
        return None if granted is None else await self.granted(call_sid, holder, granted)

    async def granted(self, call_sid: str, holder: str, answer: Sequence[Any]) -> Claim:
        """The claim that a script has answered: {epoch, attempt, ending, streamed, turn, interruption, state}."""
        epoch, attempt, ending, streamed, turn, interruption, stored = answer
        state, unreadable = None, False
        try:
            state = await self._state(call_sid, stored)
        except UnreadableState:
            unreadable = True
        return Claim(
            lease=Lease(call_sid, holder, int(epoch)),
            turn=Turn.model_validate_json(turn),
            state=state,
            attempt=int(attempt),
            ending=ending == b"1",
            streamed=streamed == b"1",
            unreadable=unreadable,
            confirmed=not self._scripts.are_confirmed,
            interruption=Turn.model_validate_json(interruption) if interruption else None,
        )

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
            [name, *self.hub.script_keys(lease.call_sid)[1:2]],
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
                        keys=[keys.call(lease.call_sid).lease, *self.hub.script_keys(lease.call_sid)[1:2]],
                        args=[lease.call_sid, lease.holder, lease.epoch, self.lease_ms],
                        client=pipe,
                    )
                answers = await pipe.execute()
        return [lease for lease, held in zip(leases, answers, strict=True) if not held]

    async def release(self, claim: Claim) -> None:
        await self.give_back(claim.lease, claim.turn.turn_id)

    async def put_off(self, claim: Claim, seconds: float) -> None:
        await self.give_back(claim.lease, claim.turn.turn_id, int(seconds * 1000))

    async def give_back(self, lease: Lease, turn_id: str, pause_ms: int | str = "") -> None:
        """`release`, or with a pause `put_off`, of the turn that was granted with the lease."""
        call = keys.call(lease.call_sid)
        released = await self._scripts.run(
            "release",
            [call.inbox, call.turns, call.lease, *self.hub.script_keys(lease.call_sid)[1:]],
            [
                lease.call_sid, lease.holder, lease.epoch, JOB_ID_PREFIX + lease.call_sid, JOB_FUNCTION,
                turn_id, pause_ms,
            ],
        )  # fmt: skip
        if released == 2:
            await self.hub.entered(lease.call_sid)
