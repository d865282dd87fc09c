"""What Redis knows of turns, read without changing anything of theirs."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StoreUnavailable, UnreadableState
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.turns import outcome as outcomes
from orchestrator.turns.redis.entries import RECORDED, WAITING, recorded_result
from orchestrator.turns.redis.scripts import TurnScripts
from orchestrator.turns.store import Found, Waiting

logger = logging.getLogger(__name__)

LISTENING_SECONDS = 120
READERS = 16
"""How many turns of a cluster are looked up at a time."""


class RedisTurnReading:
    """The reading half of `RedisTurnStore`. Each read has `guard` around it."""

    def __init__(
        self, redis: Redis, scripts: TurnScripts, guard: Callable[[], AbstractContextManager[None]], listener: str
    ) -> None:
        self.redis = redis
        self._scripts = scripts
        self._guard = guard
        self._listener = listener
        self._is_cluster = len(shards_of(redis)) > 1

    async def find(self, call_sid: str, turn_id: str) -> Found:
        checked_call_sid(call_sid)
        return (await self._read([(call_sid, turn_id)], listening=bool(self._listener)))[0]

    async def waiting(self, call_sid: str) -> list[str]:
        call = keys.call(checked_call_sid(call_sid))

        async def read() -> list[bytes]:
            found: list[bytes] = await self.redis.lrange(call.inbox, 0, -1)  # type: ignore[misc]
            return found

        with self._guard(), store_errors():
            return [text_of(turn_id) for turn_id in await with_sound_keys(self.redis, call.all, read)]

    async def find_many(self, turns: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Found]:
        """`find` for many (call SID, turn id) at once. Those whose node of a cluster does not answer are left out."""
        if not self._is_cluster:
            return dict(zip(turns, await self._read(turns), strict=True))
        room, found = asyncio.Semaphore(READERS), {}

        async def read(turn: tuple[str, str]) -> None:
            async with room:
                found[turn] = (await self._read([turn]))[0]

        trouble = await asyncio.gather(*map(read, turns), return_exceptions=True)
        for error in filter(None, trouble):
            if not found or not isinstance(error, StoreUnavailable):
                raise error
        return found

    async def _read(self, turns: Sequence[tuple[str, str]], *, listening: bool = False) -> list[Found]:
        async def read() -> list[Any]:
            async with self.redis.pipeline(transaction=False) as pipe:
                if listening:  # who asks for a turn waits for it
                    listeners = keys.call(turns[0][0]).listeners
                    pipe.zadd(listeners, {self._listener: (clock.now() + LISTENING_SECONDS) * 1000})
                    pipe.expire(listeners, LISTENING_SECONDS)
                for call_sid, turn_id in turns:
                    pipe.hget(keys.call(call_sid).turns, turn_id)
                self._scripts.replicas.confirm(pipe, keys.state(turns[0][0]))
                return await pipe.execute()

        calls = [keys.call(call_sid) for call_sid, _ in turns]
        with self._guard(), store_errors():
            answers = await with_sound_keys(self.redis, [key for call in calls for key in call.all], read)
            self._scripts.replicas.check(answers)
        first = 2 if listening else 0
        entries = zip(turns, answers[first : first + len(turns)], strict=True)
        return [await self._found(*turn, entry) for turn, entry in entries]

    async def _found(self, call_sid: str, turn_id: str, entry: bytes | None) -> Found:
        if not entry:
            return None
        if entry.startswith(RECORDED):
            return await self._result(call_sid, turn_id, entry[1:])
        return Waiting(entry[1:]) if entry.startswith(WAITING) else None

    async def _result(self, call_sid: str, turn_id: str, text: bytes) -> TurnResult:
        """The recorded result; one that cannot be read is taken from the state, and at last is an apology."""
        if (result := recorded_result(text)) is not None:
            return result
        logger.error(
            "The recorded result of a turn cannot be read; the state is asked for it",
            extra={"action": "turn.unreadable", "call_sid": call_sid, "turn_id": turn_id},
        )
        try:
            state = await self._stored_state(call_sid)
        except UnreadableState:
            state = None
        record = state and state.record_of(turn_id)
        if record:
            return record.result(call_sid)
        return TurnResult(call_sid=call_sid, turn_id=turn_id, outcome="failed", reply=Reply(text=outcomes.APOLOGY))

    async def _stored_state(self, call_sid: str) -> ConversationState | None:
        """The call's state, wherever that is kept. Raises `UnreadableState`."""
        raise NotImplementedError
