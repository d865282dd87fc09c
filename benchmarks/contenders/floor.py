"""The floor: what Redis, the client library and two processes cost without any product.

`lines()` is one side; the other is `python -m benchmarks.contenders.floor`. `hops`: a list element there and
another one back, each taken by BLPOP. `pubsub`: how long a published message is on its way.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import uvloop
from redis.asyncio import Redis

from benchmarks.driver import Line

REQUESTS, CHANNEL = "floor:requests", "floor:channel"
PAYLOAD = b"x" * 200
TELL_TIME = b"tell the time"
BLOCK_SECONDS = 5


def _client() -> Redis:
    return Redis.from_url(os.environ["REDIS_URL"], max_connections=2000)


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`hops` and `pubsub`."""
    async with _client() as redis, redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(CHANNEL)

        async def hops(slot: int) -> None:
            await redis.lpush(REQUESTS, b"%d %b" % (slot, PAYLOAD))
            if await redis.blpop([f"floor:replies:{slot}"], timeout=BLOCK_SECONDS) is None:
                raise TimeoutError

        async def published(slot: int) -> float:
            await redis.lpush(REQUESTS, TELL_TIME)
            while (message := await pubsub.get_message(timeout=BLOCK_SECONDS)) is None:
                pass
            return (time.monotonic_ns() - int(message["data"])) / 1e9

        yield {"hops": hops, "pubsub": published}


async def answer() -> None:
    """The other side."""
    async with _client() as redis:
        while True:
            taken = await redis.blpop([REQUESTS], timeout=BLOCK_SECONDS)
            if taken is None:
                continue
            if taken[1] == TELL_TIME:
                await redis.publish(CHANNEL, str(time.monotonic_ns()))
            else:
                slot, _, payload = taken[1].partition(b" ")
                await redis.lpush(b"floor:replies:" + slot, payload)


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(answer())
