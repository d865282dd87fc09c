"""Tells which calls noticed a fault. Turns leave their notice here, and a task writes it: no turn waits for that."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator import clock
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.errors import StoreUnavailable, UnreadableState
from orchestrator.incidents.incident import REDIS, IncidentKind, Noticed, ProcessName, Report
from orchestrator.incidents.incident_log import IncidentLog
from orchestrator.incidents.message import SUSPECTED
from orchestrator.incidents.notices import is_abnormal, notices_of
from orchestrator.turns.store import Claim

logger = logging.getLogger(__name__)

Reports = Mapping[str, Mapping[str, Any]]
"""What each process has reported of itself, by its id."""
IngressThatHad = Callable[[str, float], Awaitable[str]]
MOST_WAITING = 1000
PAUSE_SECONDS = 1.0
"""Notices wait for so long, so that whoever knows of an outage or a standstill can report that first."""
ALIVE_AFTER_SECONDS = 2.5
"""A process that reported itself so long after it had renewed a lease last was alive, and did not renew it."""


def away(process_id: str) -> str:
    """Return the subject of incidents in which this process was lost or stood still."""
    return f"away:{process_id}"


MS_SINCE_RECEIVED = -1.0
"""Stands for the time since the turn was received, which its record says."""


class Noticing:
    """Keeps notices until the log has them, `MOST_WAITING` at most. `reports` returns those of all processes,
    `is_erased` whether a call was erased, `get_state` a call's state, `ingress_that_had` the ingress that had a turn of
    a call first since a time, or ""."""

    def __init__(
        self,
        log: IncidentLog,
        reports: Callable[[], Awaitable[Reports]],
        is_erased: Callable[[str], Awaitable[bool]],
        get_state: Callable[[str], Awaitable[ConversationState | None]],
        ingress_that_had: IngressThatHad,
        *,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._log = log
        self._reports = reports
        self._is_erased = is_erased
        self._get_state = get_state
        self._ingress_that_had = ingress_that_had
        self._pause = pause_seconds
        self._waiting: deque[Noticed] = deque(maxlen=MOST_WAITING)
        self._has_some = asyncio.Event()

    def committed(self, claim: Claim, record: TurnRecord) -> None:
        """Take note of a turn that was committed, if it has noticed anything."""
        if is_abnormal(record):
            for notice in notices_of(claim, record, clock.now()):
                self.add(notice)

    def add(self, notice: Noticed) -> None:
        """Take note of what a call has noticed."""
        self._waiting.append(notice)
        self._has_some.set()

    async def run(self) -> None:
        """Write what was noticed, until cancelled."""
        while True:
            await self._has_some.wait()
            await asyncio.sleep(self._pause)
            try:
                await self.write()
            except StoreUnavailable:
                continue  # it is written once the store is up
            except Exception:  # this task must not end
                logger.exception(
                    "It could not be noted which calls noticed a fault; report this",
                    extra={"action": "incident.note_failed"},
                )

    async def write(self) -> None:
        """Write what waits. Raise `StoreUnavailable`: what is not written waits on."""
        reports = await self._reports() if self._waiting else {}
        while self._waiting:
            notice = await self._with_process(await self._measured(self._waiting[0]))
            await self._log.note([notice], await self._incident_of(notice, reports))
            if await self._is_erased(notice.call_sid):
                await self._log.erase(notice.call_sid)
            self._waiting.popleft()
        self._has_some.clear()

    async def _measured(self, notice: Noticed) -> Noticed:
        """Return the notice with how much longer its turn took."""
        if notice.ms != MS_SINCE_RECEIVED:
            return notice
        try:
            state = await self._get_state(notice.call_sid)
        except UnreadableState:
            state = None
        record = None if state is None else state.record_of(notice.turn_id)
        return replace(notice, ms=0.0 if record is None else max(notice.at - record.received_at.timestamp(), 0) * 1000)

    async def _with_process(self, notice: Noticed) -> Noticed:
        """Return the notice with the ingress that had its turn first, as far as that is known."""
        if notice.process or notice.how not in ("repeated", "held"):
            return notice
        since = notice.at - (notice.ms / 1000 if notice.how == "repeated" else 0)
        return replace(notice, process=await self._ingress_that_had(notice.call_sid, since))

    async def _incident_of(self, notice: Noticed, reports: Reports) -> str:
        """Return the id of the incident in which the turn was taken from a process. Report it if nobody has.

        Return "" for what is found by the process and the time, once its incident is known.
        """
        since = notice.silent_since
        if not notice.process or since is None:
            return ""
        report = reports.get(notice.process, {})
        known = await self._log.latest(away(notice.process))
        if known is not None and (known.until is None or since <= known.until):
            return known.id
        if await self._was_redis(since, notice.at):
            return ""
        role = "ingress" if report.get("role") == "ingress" else "worker"
        process = ProcessName.of({**report, "id": notice.process, "role": role})
        is_alive = _seconds(report.get("seen_at")) > since + ALIVE_AFTER_SECONDS
        kinds: tuple[IncidentKind, IncidentKind] = ("ingress_frozen", "ingress_lost")
        if role == "worker":
            kinds = ("worker_frozen", "worker_lost")
        if is_alive:
            return await self._log.report(Report(away(notice.process), kinds[0], since, notice.at, process))
        return await self._log.report(Report(away(notice.process), kinds[1], since, None, process, SUSPECTED))

    async def _was_redis(self, since: float, until: float) -> bool:
        """True if Redis was down in this time: then nobody could renew a lease."""
        outage = await self._log.latest(REDIS)
        return outage is not None and outage.at <= until and (outage.until is None or outage.until >= since)


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
