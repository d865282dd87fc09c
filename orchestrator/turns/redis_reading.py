"""What Redis knows of turns, read without changing anything of theirs."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from redis.asyncio import Redis

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.reply import TurnResult
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.hub import shards_of
from orchestrator.turns.redis_scripts import TurnScripts
from orchestrator.turns.store import Found, Waiting

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
        with self._guard(), store_errors():
            waiting: list[bytes] = await self.redis.lrange(keys.call(checked_call_sid(call_sid)).inbox, 0, -1)  # type: ignore[misc]
        return [turn_id.decode() for turn_id in waiting]

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
        with self._guard(), store_errors():
            async with self.redis.pipeline(transaction=False) as pipe:
                if listening:  # who asks for a turn waits for it
                    listeners = keys.call(turns[0][0]).listeners
                    pipe.zadd(listeners, {self._listener: (time.time() + LISTENING_SECONDS) * 1000})
                    pipe.expire(listeners, LISTENING_SECONDS)
                for call_sid, turn_id in turns:
                    pipe.hget(keys.call(call_sid).turns, turn_id)
                self._scripts.replicas.confirm(pipe, keys.state(turns[0][0]))
                answers = await pipe.execute()
            self._scripts.replicas.check(answers)
        first = 2 if listening else 0
        return [_entry(entry) for entry in answers[first : first + len(turns)]]


def _entry(entry: bytes | None) -> Found:
    if entry is None:
        return None
    return TurnResult.model_validate_json(entry[1:]) if entry[:1] == b"R" else Waiting(entry[1:])
