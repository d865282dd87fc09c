"""Which hubs a Redis has: one, or in a cluster several, spread over its masters."""

from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.redis.cluster_pool import ClusterPool


def shards_of(redis: Redis) -> tuple[keys.HubKeys, ...]:
    """The hubs of what `redis` is connected with."""
    return keys.SHARDS if isinstance(redis.connection_pool, ClusterPool) else (keys.HUB,)
