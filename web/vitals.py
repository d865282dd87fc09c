"""Taking the process's vital signs, bounded in time."""

import asyncio
import logging

from orchestrator.errors import VoiceAgentError
from orchestrator.health import HealthReport, VitalSigns, in_memory_report, report, silent_report
from web.ingress import Ingress

logger = logging.getLogger(__name__)


async def take_vitals(ingress: Ingress) -> VitalSigns | str | None:
    """The vital signs, or the sentence that says why they could not be taken; None without Redis."""
    seconds = ingress.pace.check
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
    vitals = await take_vitals(ingress)
    if vitals is None:
        return in_memory_report()
    return silent_report(vitals) if isinstance(vitals, str) else report(vitals)
