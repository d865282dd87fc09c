"""Notices that this process stood still, or that Redis was down for it, and reports that once it is over."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.incidents.incident import REDIS, ProcessName, Report
from orchestrator.incidents.incident_log import IncidentLog
from orchestrator.incidents.noticing import away
from orchestrator.incidents.watch import kind_of

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.25
STANDSTILL_SECONDS = 1.0
"""A shorter one costs nobody a turn: leases are longer, and callers hear a filler later."""


class OwnTroubles:
    """Watches this process. `waiting` are reports of others that go the same way.

    `is_cut_off` returns True while Redis cannot be used, `is_unable` while Redis answers and lets this worker claim
    nothing.
    """

    def __init__(
        self,
        log: IncidentLog,
        process: Callable[[], ProcessName],
        *,
        waiting: deque[Report] | None = None,
        is_cut_off: Callable[[], bool] = lambda: False,
        is_unable: Callable[[], bool] = lambda: False,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._log = log
        self._process = process
        self._cut_off_now = is_cut_off
        self._is_unable = is_unable
        self._tick = tick_seconds
        self._cut_off_since: float | None = None
        self._unable_since: float | None = None
        self._waiting = deque[Report]() if waiting is None else waiting

    @property
    def is_cut_off(self) -> bool:
        """True while Redis is known to be down for this process."""
        return self._cut_off_since is not None

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(self._tick)
            self.note_standstill(time.monotonic() - before - self._tick)
            self._note_outage()
            self._note_claims()
            if self._waiting and not self.is_cut_off:
                await self._report()

    def note_standstill(self, seconds: float) -> None:
        """Note that nothing ran in this process for so long."""
        if seconds >= STANDSTILL_SECONDS:
            process, now = self._process(), clock.now()
            self._add(Report(away(process.id), kind_of(process.role, "frozen"), now - seconds, now, process))

    def _note_outage(self) -> None:
        if self._cut_off_now():
            self._cut_off_since = self._cut_off_since or clock.now()
        elif self._cut_off_since is not None:
            self._add(Report(REDIS, "redis_outage", self._cut_off_since, clock.now()))
            self._cut_off_since = None

    def _note_claims(self) -> None:
        process, now = self._process(), clock.now()
        if self._is_unable():
            if self._unable_since is None:
                self._unable_since = now
                self._add(Report(f"unable:{process.id}", "worker_unable", now, None, process))
        elif self._unable_since is not None:
            self._add(Report(f"unable:{process.id}", "worker_unable", self._unable_since, now, process))
            self._unable_since = None

    def _add(self, report: Report) -> None:
        self._waiting.append(report)

    async def _report(self) -> None:
        while self._waiting:
            try:
                await self._log.report(self._waiting[0])
            except StoreUnavailable:
                return  # it is reported once the store is up
            except Exception:  # this task must not end
                logger.exception("An incident could not be reported; report this", extra={"action": "incident.lost"})
            self._waiting.popleft()
