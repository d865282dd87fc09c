"""Publishing to a channel, and learning whether it has subscribers."""

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.topology import Address

COUNT_SECONDS = 0.5
"""How long each node of a cluster may take to count its subscribers."""


async def publish_and_check(redis: Redis, channel: str, message: str, *, count_seconds: float = COUNT_SECONDS) -> bool:
    """Publish `message`. Return whether the channel may have subscribers. Raises what the client raises.

    A node of a cluster passes the message on, but counts only its own subscribers. So the other nodes are asked too; a
    node that does not answer in `count_seconds` may have some.
    """
    receivers = await redis.publish(channel, message)
    pool = redis.connection_pool
    if receivers or not isinstance(pool, ClusterPool):
        return bool(receivers)

    async def may_have_subscribers(address: Address) -> bool:
        try:
            async with asyncio.timeout(count_seconds):
                ((_, count),) = await Redis(connection_pool=pool.node(address)).pubsub_numsub(channel)
        except (RedisError, OSError, TimeoutError):
            return True
        return int(count) > 0

    return any(await asyncio.gather(*map(may_have_subscribers, pool.topology.nodes)))
