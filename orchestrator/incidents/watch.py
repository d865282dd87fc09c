"""Finds out which processes were lost, came back, ended or began, by what all of them report.

Whoever looks first says so.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from random import uniform
from typing import Any

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.incidents.incident import IncidentKind, ProcessName, Report
from orchestrator.incidents.incident_log import IncidentLog
from orchestrator.incidents.noticing import ALIVE_AFTER_SECONDS, Reports, away
from orchestrator.processes.report import LOST_SECONDS

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
TOLD_SECONDS = 600.0
"""What happened longer ago is told already, or was not seen."""
MOST_TOLD = 4096
_KINDS: dict[tuple[str, str], IncidentKind] = {
    ("worker", "lost"): "worker_lost", ("worker", "frozen"): "worker_frozen", ("worker", "stopped"): "worker_stopped",
    ("worker", "started"): "worker_started", ("ingress", "lost"): "ingress_lost",
    ("ingress", "frozen"): "ingress_frozen", ("ingress", "stopped"): "ingress_stopped",
    ("ingress", "started"): "ingress_started",
}  # fmt: skip


def kind_of(role: str, what: str) -> IncidentKind:
    """Return the kind of incident in which a process of this role was `lost`, `frozen`, `stopped` or `started`."""
    return _KINDS["ingress" if role == "ingress" else "worker", what]


class IncidentWatch:
    """Looks at what the processes report, as `reports` returns it, every `seconds`; one process at a time does.

    A time in which this process could not read them is nobody's silence: it has read them since `reads_since`, if that
    is given (Unix seconds).
    """

    def __init__(
        self,
        log: IncidentLog,
        reports: Callable[[], Awaitable[Reports]],
        *,
        seconds: float = INTERVAL_SECONDS,
        lost_seconds: float = LOST_SECONDS,
        reads_since: float | None = None,
    ) -> None:
        self._log = log
        self._reports = reports
        self._seconds = seconds
        self._lost_seconds = lost_seconds
        self._reads_since = reads_since
        self._told: dict[str, None] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except StoreUnavailable:
                self._reads_since = None
            except Exception:  # this task must not end
                logger.exception(
                    "Lost processes cannot be found; report this", extra={"action": "incident.watch_failed"}
                )
            await asyncio.sleep(uniform(0.8, 1.2) * self._seconds)

    async def look(self) -> None:
        """Look once, unless another process just has. Raise `StoreUnavailable`."""
        is_first = await self._log.is_first(min(self._seconds, INTERVAL_SECONDS) / 2)
        now = clock.now()
        self._reads_since = now if self._reads_since is None else self._reads_since
        if is_first:
            reports = await self._reports()
            for report in self._seen(reports, now):
                if self._tell_once(report):
                    await self._log.report(await self._anew(report))
            await self._tell_returned(reports)

    def _seen(self, reports: Reports, now: float) -> Iterable[Report]:
        reads_since = now if self._reads_since is None else self._reads_since
        for process_id, report in reports.items():
            role = str(report.get("role") or "worker")
            process = ProcessName.of({**report, "id": process_id, "role": role})
            began, left, seen = (_time(report, name) for name in ("started_at", "left_at", "seen_at"))
            if began is not None and now - began < TOLD_SECONDS:
                yield Report(f"started:{process_id}", kind_of(role, "started"), began, None, process)
            if left is not None and now - left < TOLD_SECONDS:
                yield Report(f"stopped:{process_id}", kind_of(role, "stopped"), left, None, process)
            elif seen is not None and left is None and now - max(seen, reads_since) > self._lost_seconds:
                yield Report(away(process_id), kind_of(role, "lost"), seen, None, process)

    async def _anew(self, report: Report) -> Report:
        """Return the report of a lost process so that it is no part of a standstill before."""
        if report.kind.endswith("_lost"):
            known = await self._log.latest(report.subject)
            if known is not None:
                over = known.at if known.until is None else known.until + 0.001
                return replace(report, at=max(report.at, over))
        return report

    def _tell_once(self, report: Report) -> bool:
        name = f"{report.subject}@{report.at:.1f}"
        if name in self._told:
            return False
        self._told[name] = None
        if len(self._told) > MOST_TOLD:
            del self._told[next(iter(self._told))]
        return True

    async def _tell_returned(self, reports: Reports) -> None:
        """Say of processes that were thought lost, and have reported themselves since, that they stood still."""
        for process_id, known in (await self._log.open_among([away(each) for each in reports])).items():
            process_id = process_id.partition(":")[2]
            report = reports[process_id]
            seen = _time(report, "seen_at")
            if seen is not None and seen > known.at + ALIVE_AFTER_SECONDS:
                role = str(report.get("role") or "worker")
                process = ProcessName.of({**report, "id": process_id, "role": role})
                await self._log.report(Report(away(process_id), kind_of(role, "frozen"), known.at, seen, process))


def _time(report: Any, name: str) -> float | None:
    value = report.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < float("inf") else None
