"""What one process does about incidents: it looks for them, reports its own, and notes which calls noticed any."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from orchestrator.conversation.state import ConversationState
from orchestrator.incidents.incident import ProcessName, Report
from orchestrator.incidents.incident_log import IncidentLog, MemoryIncidentLog
from orchestrator.incidents.noticing import IngressThatHad, Noticing, Reports
from orchestrator.incidents.standstill import OwnTroubles
from orchestrator.incidents.watch import INTERVAL_SECONDS, IncidentWatch
from orchestrator.tasks import cancel_and_wait

MOST_WAITING = 100
"""Reports that wait until Redis can be used."""


async def _no_reports() -> Reports:
    return {}


async def _never(call_sid: str) -> bool:
    return False


async def _no_state(call_sid: str) -> ConversationState | None:
    return None


async def _nobody(call_sid: str, since: float) -> str:
    return ""


class ProcessIncidents:
    """The log, and what writes to it. `reports` returns those of all processes, `is_erased` if a call is erased,
    `get_state` its state, `ingress_that_had` the ingress that had a turn of it first. What others report is looked at
    every `watch_seconds`."""

    def __init__(
        self,
        log: IncidentLog | None = None,
        reports: Callable[[], Awaitable[Reports]] = _no_reports,
        is_erased: Callable[[str], Awaitable[bool]] = _never,
        get_state: Callable[[str], Awaitable[ConversationState | None]] = _no_state,
        ingress_that_had: IngressThatHad = _nobody,
        *,
        watch_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self.log: IncidentLog = log or MemoryIncidentLog()
        self.noticing = Noticing(self.log, reports, is_erased, get_state, ingress_that_had)
        self._watch = IncidentWatch(self.log, reports, seconds=watch_seconds)
        self._waiting: deque[Report] = deque(maxlen=MOST_WAITING)

    def tell(self, report: Report) -> None:
        """Report an incident, soon."""
        self._waiting.append(report)

    @asynccontextmanager
    async def watching(
        self,
        process: Callable[[], ProcessName],
        *,
        is_cut_off: Callable[[], bool] = lambda: False,
        is_unable: Callable[[], bool] = lambda: False,
    ) -> AsyncIterator[None]:
        """Watch while the block runs. `process` returns what this one is called; the others as for `OwnTroubles`."""
        own = OwnTroubles(self.log, process, waiting=self._waiting, is_cut_off=is_cut_off, is_unable=is_unable)
        async with AsyncExitStack() as stack:
            for watch, name in (
                (own.run(), "own troubles"),
                (self._watch.run(), "incidents"),
                (self.noticing.run(), "notices"),
            ):
                stack.push_async_callback(cancel_and_wait, asyncio.create_task(watch, name=name))
            yield
