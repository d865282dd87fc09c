"""Finds keys by SCAN, which holds up no other client: on a single server, or on every master of a cluster."""

from collections.abc import AsyncIterator

from redis.asyncio import Redis

from orchestrator.redis.cluster import ClusterPool

SCANNED_AT_ONCE = 500


async def scan_keys(redis: Redis, pattern: str) -> AsyncIterator[bytes | str]:
    """Yield the keys that fit. What was there all the time is found; a key may come twice. Raise what Redis raises."""
    pool = redis.connection_pool
    if not isinstance(pool, ClusterPool):
        async for key in redis.scan_iter(match=pattern, count=SCANNED_AT_ONCE):
            yield key
        return
    await pool.topology.refresh()
    for address in pool.topology.masters:
        async for key in Redis(connection_pool=pool.node(address)).scan_iter(match=pattern, count=SCANNED_AT_ONCE):
            yield key
