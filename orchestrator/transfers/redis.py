"""The answers to transfers that all ingresses share."""

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from redis.asyncio import Redis

from orchestrator.conversation.leaving import MOST_TARGETS
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.commands import sender_for
from orchestrator.redis.erased_calls import DropErased, nothing_erased
from orchestrator.redis.errors import store_errors
from orchestrator.redis.script_call import text
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.tasks import cancel_and_wait
from orchestrator.transfers import scripts
from orchestrator.transfers.answers import LIFE_SECONDS, MemoryTransferAnswers

ANSWER_SECONDS = 1.0
"""How long a webhook may wait for Redis here."""
SHARE_RETRY_SECONDS = 0.5
SHARED_SECONDS = 5.0
"""How long after an outage, at the latest, every ingress has shared what it got meanwhile."""
MOST_SHARING = 1000
"""How many answers may wait for Redis at a time; each is kept in this process in any case."""


class RedisTransferAnswers:
    """See `TransferAnswers`. `guard` is around each access to Redis; `drop_erased` deletes a key of a call that was
    erased. The owner calls `close`.

    `seconds_up` returns for how long Redis has not failed. Soon after an outage an answer may still be on its way from
    another ingress: until then it is not known that there is none.
    """

    def __init__(
        self,
        redis: Redis,
        guard: Callable[[], AbstractContextManager[None]],
        seconds_up: Callable[[], float] = lambda: math.inf,
        drop_erased: DropErased = nothing_erased,
    ) -> None:
        self._drop_erased = drop_erased
        self._guard = guard
        self._seconds_up = seconds_up
        self._scripts = ScriptRunner(redis)
        self._command = sender_for(redis)
        self._memory = MemoryTransferAnswers()
        self._tasks: set[asyncio.Task[None]] = set()

    async def note(self, call_sid: str, by: str, target: int, leg: str) -> None:
        """See `TransferAnswers`."""
        await self._memory.note(call_sid, by, target, leg)
        try:
            await self._note(call_sid, by, target, leg)
        except StoreUnavailable:
            if len(self._tasks) < MOST_SHARING:
                task = asyncio.create_task(self._share(call_sid, by, target, leg), name=f"share answers of {call_sid}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def of(self, call_sid: str, by: str) -> Mapping[int, str]:
        """See `TransferAnswers`."""
        here = await self._memory.of(call_sid, by)
        fields = [scripts.answer_field(by, target) for target in range(MOST_TARGETS)]
        try:
            with self._guard(), store_errors():
                async with asyncio.timeout(ANSWER_SECONDS):
                    legs = await self._command("HMGET", keys.transfer_answers(call_sid), *fields)
        except (StoreUnavailable, TimeoutError) as error:
            if here:
                return here
            raise StoreUnavailable from error
        known = {**here, **{target: text(leg) for target, leg in enumerate(legs) if leg is not None}}
        if not known and self._seconds_up() < SHARED_SECONDS:
            raise StoreUnavailable
        return known

    def forget(self, call_sid: str) -> None:
        """See `TransferAnswers`."""
        self._memory.forget(call_sid)

    async def close(self) -> None:
        """Stop sharing."""
        await cancel_and_wait(*self._tasks, seconds=1)

    async def _note(self, call_sid: str, by: str, target: int, leg: str) -> None:
        noting = scripts.note_transfer_answer(
            call_sid=call_sid, by=by, target=target, leg=leg, life_ms=LIFE_SECONDS * 1000
        )
        try:
            with self._guard(), store_errors():
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._scripts.run(noting)
                    await self._drop_erased(call_sid, keys.transfer_answers(call_sid))
        except TimeoutError:
            raise StoreUnavailable from None

    async def _share(self, call_sid: str, by: str, target: int, leg: str) -> None:
        end = asyncio.get_running_loop().time() + LIFE_SECONDS
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(SHARE_RETRY_SECONDS)
            try:
                await self._note(call_sid, by, target, leg)
            except StoreUnavailable:
                continue
            return
