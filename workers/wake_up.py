"""Wakes a worker that waits on the wake list of a queue."""

from redis.asyncio import Redis

WAKE_SECONDS = 60
"""How long a token waits for a worker. The poll and the rescue find what it stood for."""


async def wake_worker(redis: Redis, wake: str) -> None:
    """Put a token on the list. Raise what the client raises."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.lpush(wake, "1")
        pipe.expire(wake, WAKE_SECONDS)
        await pipe.execute()
