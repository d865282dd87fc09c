"""An index of calls in each shard: sorted sets, call SID → when somebody must look at the call next (ms)."""

from orchestrator.redis import keys
from orchestrator.redis.store_connection import StoreConnection


class ShardedIndex:
    """The indexes of all shards, and when the first call of each is due, as far as this process knows."""

    def __init__(self, connection: StoreConnection, shards: tuple[keys.ShardKeys, ...]) -> None:
        self._connection = connection
        self._shards = shards
        self._first: dict[str, float] = {}

    @property
    def is_one_step(self) -> bool:
        """True if the scripts that change a call change its index, too: it lies in another slot only in a cluster."""
        return len(self._shards) == 1

    def shard_with(self, call_sid: str) -> keys.ShardKeys | None:
        """Return the shard whose index the scripts change; None in a cluster."""
        return self._shards[0] if self.is_one_step else None

    @property
    def first_due(self) -> float | None:
        """When the first call is due, as is known here (Unix seconds); None if there is none."""
        return min(self._first.values()) / 1000 if self._first else None

    def _shard(self, call_sid: str) -> keys.ShardKeys:
        return keys.shard_of(self._shards, call_sid)

    async def _score(self, index: str, call_sid: str) -> bytes | None:
        """Return the call's entry as it stands there, so that a script can tell whether it has changed."""
        found: bytes | float | None = await self._connection.command("ZSCORE", index, call_sid)
        return f"{found:.0f}".encode() if isinstance(found, float) else found  # as the client parses
