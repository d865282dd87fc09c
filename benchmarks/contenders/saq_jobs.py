"""SAQ: `saq benchmarks.contenders.saq_jobs.settings`. `poll_interval=0` waits by pub/sub, the fastest it has."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from saq import Queue

from benchmarks.driver import Line

queue = Queue.from_url(os.environ["REDIS_URL"])


async def empty(ctx: dict[str, Any]) -> None:
    """Do nothing."""


settings = {"queue": queue, "functions": [empty], "concurrency": 100}


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`job`: enqueue, and wait for the result."""
    await queue.connect()

    async def job(slot: int) -> None:
        await queue.apply("empty", timeout=25, poll_interval=0)

    try:
        yield {"job": job}
    finally:
        await queue.disconnect()
