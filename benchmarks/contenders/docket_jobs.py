"""docket (pydocket): `docket worker --tasks benchmarks.contenders.docket_jobs:tasks`. The result comes by pub/sub."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from docket import Docket

from benchmarks.driver import Line

NAME = "bench"


async def empty() -> None:
    """Do nothing."""


tasks = [empty]


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`job`: enqueue, and wait for the result."""
    async with Docket(name=NAME, url=os.environ["REDIS_URL"], execution_ttl=timedelta(seconds=60)) as docket:
        docket.register(empty)

        async def job(slot: int) -> None:
            execution = await docket.add(empty)()
            await execution.get_result(timeout=timedelta(seconds=25))

        yield {"job": job}
