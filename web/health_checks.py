"""Reads the system's status for the health pages: bounded in time, and at most once a second however many ask."""

import asyncio
import logging
import math
from collections import Counter
from dataclasses import replace

from starlette.requests import Request

from orchestrator.errors import VoiceAgentError
from orchestrator.health.events import EventsStatus
from orchestrator.health.report import HealthReport, SystemStatus, in_memory_report, report, unmeasured_report
from web.brief_cache import BriefCache
from web.ingress import Ingress

logger = logging.getLogger(__name__)


class HealthChecks:
    """What the health pages and the metrics say of the system, shared by all requests within a second."""

    def __init__(self, ingress: Ingress) -> None:
        self._ingress = ingress
        self._status = BriefCache(lambda: read_status(ingress), ingress.timeouts.fresh)
        self._active_calls = BriefCache(self._count_calls, ingress.timeouts.fresh)
        self._versions = BriefCache(self._count_versions, ingress.timeouts.fresh)

    async def status(self) -> SystemStatus | str | None:
        """Return the status, the sentence that says why it could not be read, or None without Redis."""
        return await self._status.get()

    async def report(self) -> HealthReport:
        """Return the judgement of the status."""
        return report_on(await self.status(), self._ingress.runtime.events_status())

    async def active_calls(self) -> float:
        """Return the number of active calls; NaN when it cannot be known."""
        return await self._active_calls.get()

    async def worker_versions(self) -> dict[str, int]:
        """Return how many living workers run each version of the code; {} when that cannot be known."""
        return await self._versions.get()

    async def _count_calls(self) -> float:
        try:
            async with asyncio.timeout(self._ingress.timeouts.check):
                return await self._ingress.runtime.states.get_active_calls_count()
        except Exception:  # whatever the store raises, the page still shows the other figures
            return math.nan

    async def _count_versions(self) -> dict[str, int]:
        try:
            async with asyncio.timeout(self._ingress.timeouts.check):
                workers = await self._ingress.runtime.workers() or []
        except (VoiceAgentError, TimeoutError):
            return {}
        alive = (worker for worker in workers if not worker.get("lost"))
        return dict(Counter(str(worker.get("version", "unknown")) for worker in alive))


def health_checks_of(request: Request) -> HealthChecks:
    """Return the checks of the ingress that received this request."""
    checks = request.app.state.health_checks
    assert isinstance(checks, HealthChecks)
    return checks


async def read_status(ingress: Ingress) -> SystemStatus | str | None:
    """Return the status, or the sentence that says why it could not be read; None without Redis."""
    seconds = ingress.timeouts.check
    try:
        async with asyncio.timeout(seconds):
            status = await ingress.runtime.system_status()
            return status and replace(status, shed_seconds=ingress.shedding.longest_wait)
    except TimeoutError:
        return f"Redis does not answer within {seconds:g} s"
    except VoiceAgentError as error:
        return str(error)
    except Exception as error:  # a health page must answer whatever happens
        logger.exception("The status of the system could not be read", extra={"action": "health.failed"})
        return f"The check failed: {type(error).__name__}"


async def health_of(ingress: Ingress) -> HealthReport:
    """Read the status of this process now, and return its judgement."""
    return report_on(await read_status(ingress), ingress.runtime.events_status())


def report_on(status: SystemStatus | str | None, events: EventsStatus | None = None) -> HealthReport:
    """Return the report on what `read_status` returned, and on the events of a process without Redis."""
    if status is None:
        return in_memory_report(events)
    return unmeasured_report(status) if isinstance(status, str) else report(status)
