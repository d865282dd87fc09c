"""Which sinks want no event any more, as all processes know it."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.events.outbox import Outbox, StoppedSink
from orchestrator.events.sink_access import SinkAccess

logger = logging.getLogger(__name__)

KNOWN_SECONDS = 5.0
"""How long it is not asked again whether another process has stopped a sink."""


class StoppedSinks:
    """Stops sinks, and asks the outbox which are stopped, only while there is something to deliver."""

    def __init__(self, outbox: Outbox, accesses: Mapping[str, SinkAccess]) -> None:
        self._outbox = outbox
        self._accesses = accesses
        self._untold: dict[str, StoppedSink] = {}
        self._asked_at = float("-inf")

    async def is_stopped(self, access: SinkAccess) -> bool:
        """Return whether the sink is stopped: a stopped one may have been resumed at any time. Raise
        `StoreUnavailable`."""
        if access.stopped or asyncio.get_running_loop().time() - self._asked_at > KNOWN_SECONDS:
            await self._ask()
        return bool(access.stopped)

    async def stop(self, access: SinkAccess, reason: str) -> None:
        """Stop the sink for all processes."""
        access.stopped = reason
        extra = {"action": "event.sink_stopped", "sink": access.name}
        logger.error("A sink wants no event any more and gets none until it is resumed: %s", reason, extra=extra)
        self._untold[access.name] = StoppedSink(access.name, access.fingerprint, reason, clock.now())
        with suppress(StoreUnavailable):  # it is told when the outbox is asked next
            await self._tell()

    async def _tell(self) -> None:
        for name, stopped in list(self._untold.items()):
            await self._outbox.stop_sink(stopped)
            self._untold.pop(name, None)

    async def _ask(self) -> None:
        await self._tell()
        found = {stopped.sink: stopped for stopped in await self._outbox.stopped_sinks()}
        for name, access in self._accesses.items():
            stopped = found.get(name)
            is_its = stopped is not None and stopped.fingerprint == access.fingerprint
            access.stopped = stopped.reason if stopped is not None and is_its else ""
        self._asked_at = asyncio.get_running_loop().time()
