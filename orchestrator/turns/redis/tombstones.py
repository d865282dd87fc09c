"""The marks in Redis that calls were erased; see `orchestrator.turns.tombstone`."""

from orchestrator import clock
from orchestrator.redis import keys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.turns.tombstone import TOMBSTONE_SECONDS, fingerprint


class RedisTombstones:
    """Marks that all processes with the same `secret` know."""

    def __init__(self, connection: StoreConnection, secret: bytes) -> None:
        self._connection = connection
        self._secret = secret

    async def lay(self, call_sid: str) -> None:
        """Note for a day that the call is erased, and when."""
        await self._connection.command("SET", self._key(call_sid), repr(clock.now()), "EX", TOMBSTONE_SECONDS)

    async def lift(self, call_sid: str) -> None:
        """Forget that the call was erased."""
        await self._connection.command("DEL", self._key(call_sid))

    async def has(self, call_sid: str) -> bool:
        """True if the call was erased within the last day."""
        return bool(await self._connection.command("EXISTS", self._key(call_sid)))

    async def laid_at(self, call_sid: str) -> float | None:
        """Return when the call was erased (Unix seconds), if that was within the last day; else None.

        A mark of an older version does not say when: it counts as laid now.
        """
        found = await self._connection.command("GET", self._key(call_sid))
        try:
            at = None if found is None else float(found)
        except ValueError:
            return clock.now()
        return clock.now() if at == 1 else at

    def _key(self, call_sid: str) -> str:
        return keys.tombstone(fingerprint(self._secret, call_sid))
