"""Taking the process's vital signs, bounded in time, and at most once a second however many ask."""

import asyncio
import logging
import math
from collections import Counter

from starlette.requests import Request

from orchestrator.errors import VoiceAgentError
from orchestrator.health import HealthReport, VitalSigns, in_memory_report, report, silent_report
from web.brief_cache import BriefCache
from web.ingress import Ingress

logger = logging.getLogger(__name__)


class HealthChecks:
    """What the health pages and the metrics say of the system, shared by all who ask within a second."""

    def __init__(self, ingress: Ingress) -> None:
        self._ingress = ingress
        self._vitals = BriefCache(lambda: take_vitals(ingress), ingress.timeouts.fresh)
        self._active_calls = BriefCache(self._count_calls, ingress.timeouts.fresh)
        self._versions = BriefCache(self._count_versions, ingress.timeouts.fresh)

    async def vitals(self) -> VitalSigns | str | None:
        """Return the vital signs, the sentence that says why they could not be taken, or None without Redis."""
        return await self._vitals.get()

    async def report(self) -> HealthReport:
        """Return the judgement of the vital signs."""
        return judged(await self.vitals())

    async def active_calls(self) -> float:
        """Return how many calls go on; NaN when that cannot be known."""
        return await self._active_calls.get()

    async def worker_versions(self) -> dict[str, int]:
        """Return how many living workers run each version of the code; {} when that cannot be known."""
        return await self._versions.get()

    async def _count_calls(self) -> float:
        try:
            async with asyncio.timeout(self._ingress.timeouts.check):
                return await self._ingress.runtime.states.get_active_calls_count()
        except Exception:  # whatever the store's trouble is, the other figures are still wanted
            return math.nan

    async def _count_versions(self) -> dict[str, int]:
        try:
            async with asyncio.timeout(self._ingress.timeouts.check):
                workers = await self._ingress.runtime.roster() or []
        except (VoiceAgentError, TimeoutError):
            return {}
        alive = (worker for worker in workers if not worker.get("lost"))
        return dict(Counter(str(worker.get("version", "unknown")) for worker in alive))


def health_checks_of(request: Request) -> HealthChecks:
    """Return the checks of the ingress that this request came in at."""
    checks = request.app.state.health_checks
    assert isinstance(checks, HealthChecks)
    return checks


async def take_vitals(ingress: Ingress) -> VitalSigns | str | None:
    """The vital signs, or the sentence that says why they could not be taken; None without Redis."""
    seconds = ingress.timeouts.check
    try:
        async with asyncio.timeout(seconds):
            return await ingress.runtime.vitals()
    except TimeoutError:
        return f"Redis does not answer within {seconds:g} s"
    except VoiceAgentError as error:
        return str(error)
    except Exception as error:  # a health page that fails tells nobody anything
        logger.exception("Vital signs could not be taken", extra={"action": "health.failed"})
        return f"The check failed: {type(error).__name__}"


async def judge(ingress: Ingress) -> HealthReport:
    """The health of this process at the moment."""
    return judged(await take_vitals(ingress))


def judged(vitals: VitalSigns | str | None) -> HealthReport:
    """Return the report on what `take_vitals` returned."""
    if vitals is None:
        return in_memory_report()
    return silent_report(vitals) if isinstance(vitals, str) else report(vitals)
