"""Measures how late an event loop runs what is due: what blocks it delays every call of the process."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orchestrator.process_metrics.catalog import EVENT_LOOP_LAG
from orchestrator.tasks import cancel_and_wait

INTERVAL_SECONDS = 0.5


@asynccontextmanager
async def event_loop_lag_measured(interval_seconds: float = INTERVAL_SECONDS) -> AsyncIterator[None]:
    """Measure the lag of the running event loop while the block runs."""
    measuring = asyncio.create_task(_measure(interval_seconds), name="event loop lag")
    try:
        yield
    finally:
        await cancel_and_wait(measuring)


async def _measure(interval_seconds: float) -> None:
    while True:
        due = time.monotonic() + interval_seconds
        await asyncio.sleep(interval_seconds)
        EVENT_LOOP_LAG.observe(max(time.monotonic() - due, 0.0))
