"""taskiq-redis: `taskiq worker benchmarks.contenders.taskiq_jobs:broker`, with the broker that its README recommends.

The result is polled for; 2 ms is the quickest that does not itself cost more than it gains.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.driver import Line

URL = os.environ["REDIS_URL"]
CHECK_SECONDS = 0.002

broker = RedisStreamBroker(url=URL).with_result_backend(RedisAsyncResultBackend(redis_url=URL, result_ex_time=60))


@broker.task
async def empty() -> None:
    """Do nothing."""


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`job`: enqueue, and wait for the result."""
    await broker.startup()

    async def job(slot: int) -> None:
        task = await empty.kiq()
        await task.wait_result(check_interval=CHECK_SECONDS, timeout=25)

    try:
        yield {"job": job}
    finally:
        await broker.shutdown()
