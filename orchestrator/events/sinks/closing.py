"""Closes sinks at the end of a process, which no sink may hold up."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from orchestrator import error_logging
from orchestrator.events.sinks.sink import Sink
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
CANCEL_SECONDS = 0.5
"""For a `close` that takes longer to end once it is cancelled. After that it is left to itself."""


@asynccontextmanager
async def closing_sinks(sinks: Mapping[str, Sink], *, seconds: float = CLOSE_SECONDS) -> AsyncIterator[None]:
    """On exit close all sinks at the same time, for at most about `seconds`. The log says which could not be closed."""
    try:
        yield
    finally:
        await asyncio.gather(*(_close(name, sink, seconds) for name, sink in sinks.items()))


async def _close(name: str, sink: Sink, seconds: float) -> None:
    extra = {"action": "event.sink_not_closed", "sink": name}
    closing = asyncio.create_task(_run_close(sink), name=f"close the sink {name}")
    done, _ = await asyncio.wait({closing}, timeout=seconds)
    if not done:
        await cancel_and_wait(closing, seconds=CANCEL_SECONDS)
        logger.warning("A sink was not closed within %g s, and is left as it is", seconds, extra=extra)
    elif not closing.cancelled() and (error := closing.exception()) is not None:
        error_logging.log(logging.ERROR, logger, "A sink could not be closed: %s", error=error, extra=extra)


async def _run_close(sink: Sink) -> None:
    await sink.close()
