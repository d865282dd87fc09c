"""`IncidentLog`: where incidents are reported, and read again. Without Redis they are kept in this process."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator import clock
from orchestrator.incidents.cause import time_of_page, with_causes
from orchestrator.incidents.incident import KEPT_SECONDS, MOST_INCIDENTS, Incident, IncidentPage, Noticed, Report
from orchestrator.incidents.message import sentence_of

MOST_LOOSE = 1000
"""Notices that are kept of calls of which it is not known yet what they noticed: it is found when somebody reads."""
LONGEST_GAP_SECONDS = 90.0
"""A finding that nobody has seen for longer was over meanwhile."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the index says of an incident: when it began, and when it was over, if it is."""

    id: str
    at: float
    until: float | None


class IncidentLog(Protocol):
    """The incidents of a deployment, of the last day and at most `MOST_INCIDENTS`. All methods may raise
    `StoreUnavailable`."""

    async def report(self, report: Report) -> str:
        """Note what was seen. Return the id of the incident that it belongs to."""

    async def latest(self, subject: str) -> Known | None:
        """Return what is known of the latest incident of this subject, or None."""

    async def open_among(self, subjects: Sequence[str]) -> dict[str, Known]:
        """Return the latest incidents of these subjects, as far as they are not over."""

    async def is_first(self, seconds: float) -> bool:
        """Return True unless another process was the first within the last `seconds`."""

    async def note(self, noticed: Sequence[Noticed], incident_id: str = "") -> None:
        """Note which calls have noticed an incident, each turn once; without its id, one that is found by its process
        and the time."""

    async def page(self, limit: int, before: str = "") -> IncidentPage:
        """Return the latest incidents, or those before the one that a cursor names. Raise `BadIncidentCursor`."""

    async def findings_since(self, ids: Sequence[str]) -> list[float]:
        """Say that these findings are there, and return since when (Unix seconds) each is."""

    async def erase(self, call_sid: str) -> None:
        """Delete what the call has noticed: the call is erased."""


class MemoryIncidentLog:
    """The incidents of a process without Redis: it began, it stood still. They end with it."""

    def __init__(self) -> None:
        self._incidents: dict[str, Incident] = {}
        self._loose: deque[Noticed] = deque(maxlen=MOST_LOOSE)
        self._since: dict[str, tuple[float, float]] = {}
        self._number = 0

    async def report(self, report: Report) -> str:
        """Note what was seen; see `IncidentLog`."""
        self._number += 1
        incident_id = str(self._number)
        said = sentence_of(report)
        self._incidents[incident_id] = Incident(
            incident_id, report.kind, report.at, report.until, said.message, report.process,
            code=said.code, params=said.params,
        )  # fmt: skip
        while len(self._incidents) > MOST_INCIDENTS:
            del self._incidents[next(iter(self._incidents))]
        return incident_id

    async def latest(self, subject: str) -> Known | None:
        """Return None: each report is an incident of its own."""
        return None

    async def open_among(self, subjects: Sequence[str]) -> dict[str, Known]:
        """Return none: what a process reports of itself is over."""
        return {}

    async def is_first(self, seconds: float) -> bool:
        """Return True: there is no other process."""
        return True

    async def note(self, noticed: Sequence[Noticed], incident_id: str = "") -> None:
        """Note which calls have noticed an incident; see `IncidentLog`."""
        self._loose.extend(noticed)

    async def page(self, limit: int, before: str = "") -> IncidentPage:
        """Return the latest incidents; see `IncidentLog`."""
        fresh = [it for it in self._incidents.values() if it.at > clock.now() - KEPT_SECONDS]
        times = {it.id: it.at for it in sorted(fresh, key=lambda it: it.at, reverse=True)}
        page = IncidentPage.of(list(times), limit, before)
        shown = [self._incidents[incident_id] for incident_id in page.ids]
        return page.filled(*with_causes(shown, self._loose, *time_of_page(times, page.ids, before, clock.now())))

    async def findings_since(self, ids: Sequence[str]) -> list[float]:
        """Return since when each finding is there; see `IncidentLog`."""
        now = clock.now()
        known = {name: times for name, times in self._since.items() if now - times[1] <= LONGEST_GAP_SECONDS}
        self._since = {name: (known.get(name, (now, now))[0], now) for name in ids}
        return [self._since[name][0] for name in ids]

    async def erase(self, call_sid: str) -> None:
        """Delete what the call has noticed; see `IncidentLog`."""
        kept = [each for each in self._loose if each.call_sid != call_sid]
        self._loose = deque(kept, maxlen=MOST_LOOSE)
