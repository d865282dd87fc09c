"""streaQ: `streaq run benchmarks.contenders.streaq_jobs:worker`."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from streaq import Worker

from benchmarks.driver import Line

worker: Worker[Any] = Worker(redis_url=os.environ["REDIS_URL"], concurrency=100)


@worker.task
async def empty() -> None:
    """Do nothing."""


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`job`: enqueue, and wait for the result."""
    async with worker:

        async def job(slot: int) -> None:
            task = await empty.enqueue()
            await task.result(25)

        yield {"job": job}
