"""The exchange of seal keys in Redis. Where no key is set, one is made once and kept there."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from redis.asyncio import Redis

from orchestrator.errors import StoreUnavailable, UnreadableSeal
from orchestrator.redis import keys
from orchestrator.redis.ciphers import cipher_of
from orchestrator.redis.errors import store_errors
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.seal_keys import scripts
from orchestrator.seal_keys.exchange import SharedKeys

logger = logging.getLogger(__name__)

LIFE_SECONDS = 30 * 24 * 3600
"""How long the key is kept while no ingress runs; those that run renew it."""
MOST_FIELDS = 20


class RedisSealKeys:
    """See `SealKeyExchange`. `guard` is around each access to Redis."""

    def __init__(self, redis: Redis, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self._guard = guard
        self._scripts = ScriptRunner(redis)
        self._cipher = cipher_of(redis)
        self._has_logged = False

    async def exchange(self, proposed: str, used: Sequence[str] = ()) -> SharedKeys:
        """See `SealKeyExchange`."""
        exchange = scripts.exchange_seal_keys(
            proposed=proposed, used=used, life_ms=LIFE_SECONDS * 1000, most_fields=MOST_FIELDS, cipher=self._cipher
        )
        with self._guard(), store_errors():
            age_ms, stored, others = await self._scripts.run(exchange)
        current = self._opened(stored) if stored else ""
        if current is None:
            raise StoreUnavailable("The seal's key in Redis cannot be decrypted here.")
        known = [key for other in others if (key := self._opened(other)) is not None]
        return SharedKeys(current, tuple(key for key in known if key != current), age_ms / 1000)

    def _opened(self, stored: bytes) -> str | None:
        """Return a key; None if this process cannot decrypt it."""
        try:
            return self._cipher.open(keys.SEAL_KEYS, stored).decode(errors="replace")
        except UnreadableSeal as error:
            if not error.is_key_missing and not self._has_logged:  # a missing key is logged where it is found
                self._has_logged = True
                logger.error(
                    "A key of the seal in Redis cannot be used; delete %s if no call is held: %s",
                    keys.SEAL_KEYS, error, extra={"action": "seal_keys.unreadable"},
                )  # fmt: skip
            return None
