"""What a process reports of itself every few seconds, and how others judge it by that. No I/O."""

import math
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Report = Mapping[str, Any]
"""A report: `role`, `host`, `pid`, `version`, `agent`, `started_at`, `seen_at` (Unix seconds), `running`, `slots`,
`draining`, `stuck_threads`, of an ingress also `sockets`, and `left_at` once the process has ended by itself. Others
may lack fields: processes of several versions run side by side."""
Process = dict[str, Any]
"""A process as `GET /processes` shows it."""
Role = Literal["worker", "ingress"]

SILENT_SECONDS = 9.0
"""A process reports every five seconds; one report may be late."""
LOST_SECONDS = 15.0
"""A process that has reported nothing for longer counts as lost."""
KEPT_SECONDS = 600.0
"""How long the last report of a lost process is kept, and that of one that has ended by itself."""
MOST_PROCESSES = 500
LONGEST_TEXT = 200
"""Characters of a text in a report: others can write to Redis."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time, in Unix seconds, in which nobody could report: Redis was down. It does not count as silence."""

    began: float = 0.0
    ended: float = 0.0

    def silence(self, seen_at: float, now: float) -> float:
        """Return for how many seconds a process has been silent that was seen last at `seen_at`."""
        return now - seen_at - max(0.0, min(now, self.ended) - max(seen_at, self.began))


NO_GAP = Gap()


def own_report(role: Role, *, version: str, agent: str, started_at: float) -> dict[str, Any]:
    """Return what stays the same in all reports of this process."""
    return {
        "role": role,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "version": version,
        "agent": agent,
        "started_at": started_at,
    }


def processes_of(reports: Mapping[str, Report], now: float, gap: Gap = NO_GAP) -> list[Process]:
    """Return the processes that run or were lost, by role and age, the lost ones last. `reports` are by process id."""
    shown = [
        process_of(process_id, report, now, gap) for process_id, report in reports.items() if "left_at" not in report
    ]
    found = [process for process in shown if process is not None]
    return sorted(found, key=_order)[:MOST_PROCESSES]


def process_of(process_id: str, report: Report, now: float, gap: Gap = NO_GAP) -> Process | None:
    """Return the process as others see it; None if it was lost too long ago, or its report says nothing of its age."""
    seen_at = number_in(report, "seen_at")
    if seen_at is None or now - seen_at > KEPT_SECONDS:
        return None
    silence = gap.silence(seen_at, now)
    is_lost = silence > LOST_SECONDS
    role = "ingress" if report.get("role") == "ingress" else "worker"
    return {
        "id": process_id[:LONGEST_TEXT],
        "role": role,
        "host": _text(report, "host"),
        "pid": _count(report, "pid"),
        "version": _text(report, "version"),
        "agent": _text(report, "agent"),
        "started_at": iso(number_in(report, "started_at")),
        "seen_at": iso(seen_at),
        "state": _state(report, silence, is_lost=is_lost),
        "running": 0 if is_lost else _count(report, "running"),
        "slots": _count(report, "slots"),
        "stuck_threads": _count(report, "stuck_threads"),
        "sockets": (0 if is_lost else _count(report, "sockets")) if role == "ingress" else None,
        "lost_at": iso(now - silence + LOST_SECONDS) if is_lost else None,
    }


def forgettable(reports: Mapping[str, Report], now: float) -> list[str]:
    """Return the ids of the reports that are too old to be kept, and of the oldest ones if there are too many."""
    seen = {process_id: number_in(report, "seen_at") or 0.0 for process_id, report in reports.items()}
    newest = sorted(seen, key=lambda process_id: seen[process_id], reverse=True)
    kept = {process_id for process_id in newest[:MOST_PROCESSES] if now - seen[process_id] <= KEPT_SECONDS}
    return [process_id for process_id in newest if process_id not in kept]


def number_in(report: Report, name: str) -> float | None:
    """Return a number of a report; None if there is none."""
    value = report.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def iso(seconds: float | None) -> str | None:
    """Return the time as text; None for none, and for one that no calendar has."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def alive(processes: Iterable[Process], role: Role) -> list[Process]:
    """Return those of the role that are not lost."""
    return [process for process in processes if process["role"] == role and process["state"] != "lost"]


def _state(report: Report, silence: float, *, is_lost: bool) -> str:
    if is_lost:
        return "lost"
    if silence > SILENT_SECONDS:
        return "silent"
    return "draining" if report.get("draining") is True else "running"


def _order(process: Process) -> tuple[Any, ...]:
    return (process["state"] == "lost", process["role"], process["started_at"] or "", process["id"])


def _text(report: Report, name: str) -> str:
    value = report.get(name)
    return value[:LONGEST_TEXT] if isinstance(value, str) else ""


def _count(report: Report, name: str) -> int:
    value = report.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
