"""The history that all processes share."""

from collections.abc import Sequence
from typing import Any

from orchestrator.history.amounts import Amounts, read_amounts
from orchestrator.history.redis.scripts import add_history
from orchestrator.history.store import Batch, Minutes
from orchestrator.redis import keys
from orchestrator.redis.damage import with_sound_keys
from orchestrator.redis.store_connection import StoreConnection

READ_AT_ONCE = 120
"""Minutes in one round trip: some hundred kilobytes at most."""
SAMPLED_MS = 8000
"""Less than the time between two samples."""


class RedisHistory:
    """See `orchestrator.history.store.HistoryStore`. All its keys are in one slot."""

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection

    async def add(self, holder: str, batch: Batch) -> None:
        """See `HistoryStore`: a failover may lose a batch that was added, and none is added twice."""
        await self._connection.run(add_history(holder=holder, batch=batch))

    async def read(self, minutes: Sequence[int]) -> Minutes:
        """See `HistoryStore`."""
        changes: int | None = None
        found: list[Amounts] = []
        for begin in range(0, max(len(minutes), 1), READ_AT_ONCE):
            names = [keys.history_minute(minute) for minute in minutes[begin : begin + READ_AT_ONCE]]
            first, *stored = await self._get(keys.HISTORY_CHANGES, *names)
            changes = _number(first) if changes is None else changes  # before the minutes: a later change is seen again
            found += [read_amounts(text) for text in stored]
        return Minutes(changes or 0, found)

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
        await self._connection.command("GET", keys.HISTORY_SAMPLER)  # unlike SET, it finds a key of the wrong type
        return False


def _number(stored: bytes | str | None) -> int:
    try:
        return int(stored or 0)
    except ValueError:
        return 0
