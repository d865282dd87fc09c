"""The exchange of seal keys in Redis. Where no key is set, one is made once and kept there."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from redis.asyncio import Redis

from orchestrator.redis.errors import store_errors
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.seal_keys import scripts
from orchestrator.seal_keys.exchange import SharedKeys

LIFE_SECONDS = 30 * 24 * 3600
"""How long the key is kept while no ingress runs; those that run renew it."""
MOST_FIELDS = 20


class RedisSealKeys:
    """See `SealKeyExchange`. `guard` is around each access to Redis."""

    def __init__(self, redis: Redis, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self._guard = guard
        self._scripts = ScriptRunner(redis)

    async def exchange(self, proposed: str, used: Sequence[str] = ()) -> SharedKeys:
        """See `SealKeyExchange`."""
        exchange = scripts.exchange_seal_keys(
            proposed=proposed, used=used, life_ms=LIFE_SECONDS * 1000, most_fields=MOST_FIELDS
        )
        with self._guard(), store_errors():
            age_ms, current, others = await self._scripts.run(exchange)
        return SharedKeys(current, others, age_ms / 1000)
