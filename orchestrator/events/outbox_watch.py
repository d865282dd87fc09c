"""The survey of the outbox of a single process; with Redis, a cron job of the workers does the same."""

import asyncio
import logging
from contextlib import AsyncExitStack

from orchestrator import clock
from orchestrator.events.outbox import Outbox
from orchestrator.events.outbox_report import OutboxReport
from orchestrator.events.survey import survey_outbox
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 30.0


class OutboxWatch:
    """Surveys an outbox from time to time. `latest` is the last report. An async context manager."""

    def __init__(self, outbox: Outbox, max_bytes: int, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self.latest: OutboxReport | None = None
        self._outbox = outbox
        self._max_bytes = max_bytes
        self._interval = interval_seconds
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "OutboxWatch":
        task = asyncio.create_task(self._watch(), name="outbox watch")
        self._stack.push_async_callback(cancel_and_wait, task)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _watch(self) -> None:
        while True:
            try:
                self.latest = await survey_outbox(self._outbox, at=clock.now(), max_bytes=self._max_bytes)
            except Exception:  # the next survey may succeed
                logger.exception("The outbox was not surveyed; report this", extra={"action": "events.survey_failed"})
            await asyncio.sleep(self._interval)
