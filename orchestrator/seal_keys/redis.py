"""The exchange of seal keys in Redis. Where no key is set, one is made once and kept there."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.redis.commands import WiredScript
from orchestrator.redis.errors import store_errors
from orchestrator.redis.scripts import lua
from orchestrator.seal_keys.exchange import SharedKeys

LIFE_SECONDS = 30 * 24 * 3600
"""How long the key is kept while no ingress runs; those that run renew it."""
MOST_FIELDS = 20


class RedisSealKeys:
    """See `SealKeyExchange`. `guard` is around each access to Redis."""

    def __init__(self, redis: Redis, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self._guard = guard
        self._script = WiredScript(redis, lua("seal_keys"))

    async def exchange(self, proposed: str, used: Sequence[str] = ()) -> SharedKeys:
        """See `SealKeyExchange`."""
        args = [proposed, LIFE_SECONDS * 1000, MOST_FIELDS, *used]
        with self._guard(), store_errors():
            age_ms, current, *others = await self._script([keys.SEAL_KEYS], args)
        return SharedKeys(_text(current), tuple(map(_text, others)), int(age_ms) / 1000)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
