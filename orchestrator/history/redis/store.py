"""The history that all processes share."""

from collections.abc import Sequence
from typing import Any

from orchestrator.history.amounts import read_amounts
from orchestrator.history.redis.scripts import add_history
from orchestrator.history.store import Batch, Minutes
from orchestrator.redis import keys
from orchestrator.redis.damage import with_sound_keys
from orchestrator.redis.store_connection import StoreConnection

SAMPLED_MS = 28_000
"""A sample each half minute, by the ingress that asks first: in a cluster it costs some hundred commands."""


class RedisHistory:
    """See `orchestrator.history.store.HistoryStore`. All its keys are in one slot."""

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection

    async def add(self, holder: str, batch: Batch) -> None:
        """See `HistoryStore`: a failover may lose a batch that was added, and none is added twice."""
        await self._connection.run(add_history(holder=holder, batch=batch))

    async def read(self, minutes: Sequence[int]) -> Minutes:
        """See `HistoryStore`."""
        changes, *stored = await self._get(keys.HISTORY_CHANGES, *map(keys.history_minute, minutes))
        return Minutes(_number(changes), [read_amounts(text) for text in stored])

    async def _get(self, *names: str) -> list[bytes | str | None]:
        redis = self._connection.redis

        async def get() -> list[Any]:
            async with redis.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.get(name)
                return await pipe.execute()

        with self._connection.guarded():
            return await with_sound_keys(redis, names, get)

    async def may_sample(self, holder: str) -> bool:
        """See `HistoryStore`."""
        if await self._connection.command("SET", keys.HISTORY_SAMPLER, holder, "NX", "PX", SAMPLED_MS):
            return True
        left = await self._connection.command("PTTL", keys.HISTORY_SAMPLER)
        if left == -1 or left > SAMPLED_MS:  # somebody else has written it
            await self._connection.command("PEXPIRE", keys.HISTORY_SAMPLER, SAMPLED_MS)
        return False


def _number(stored: bytes | str | None) -> int:
    try:
        return int(stored or 0)
    except ValueError:
        return 0
