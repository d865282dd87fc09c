"""arq as it comes: `arq benchmarks.contenders.stock_arq.WorkerSettings`. Both sides poll each 0.5 s."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings

from benchmarks.driver import Line

QUEUE = "bench:stock"  # the product's workers take stock jobs too, off arq's usual queue
REDIS = RedisSettings.from_dsn(os.environ["REDIS_URL"])


async def empty(ctx: dict[Any, Any]) -> None:
    """Do nothing."""


class WorkerSettings:
    """What `arq` reads."""

    functions: ClassVar[list[Any]] = [empty]
    queue_name = QUEUE
    redis_settings = REDIS
    max_jobs = 100
    keep_result = 10


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`job`: enqueue, and wait for the result."""
    pool = await create_pool(REDIS, default_queue_name=QUEUE)

    async def job(slot: int) -> None:
        enqueued = await pool.enqueue_job("empty")
        if enqueued is None:
            raise RuntimeError("not enqueued")
        await enqueued.result()

    try:
        yield {"job": job}
    finally:
        await pool.aclose()
