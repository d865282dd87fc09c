"""Publishing to a channel, and learning whether anybody listens."""

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.topology import Address

COUNT_SECONDS = 0.5
"""So long the nodes of a cluster have to say who listens at each."""


async def is_heard(redis: Redis, channel: str, message: str) -> bool:
    """Publish `message`, and tell whether anybody may have heard it. Raises what the client raises.

    A node of a cluster passes it on, but knows only who listens at itself: the others are asked as well, and if one
    does not answer, somebody may be there.
    """
    heard = await redis.publish(channel, message)
    pool = redis.connection_pool
    if heard or not isinstance(pool, ClusterPool):
        return bool(heard)

    async def may_hear(address: Address) -> bool:
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                ((_, count),) = await Redis(connection_pool=pool.node(address)).pubsub_numsub(channel)
        except (RedisError, OSError, TimeoutError):
            return True
        return int(count) > 0

    return any(await asyncio.gather(*map(may_hear, pool.topology.nodes)))
