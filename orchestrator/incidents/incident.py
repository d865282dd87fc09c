"""An incident: a process or Redis was lost, stood still, began or ended; and the calls that noticed it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from orchestrator.errors import VoiceAgentError
from orchestrator.sentence import Code, Param

IncidentKind = Literal[
    "worker_lost", "worker_frozen", "worker_stopped", "worker_started", "worker_unable",
    "ingress_lost", "ingress_frozen", "ingress_stopped", "ingress_started",
    "redis_outage", "rollback",
]  # fmt: skip
How = Literal["run_again", "held", "reconnected", "repeated", "failed"]

MOST_INCIDENTS = 500
KEPT_SECONDS = 86_400
MOST_LISTED = 200
"""Calls that are listed of one incident; all are counted."""
LONGEST_TEXT = 200
REDIS = "redis"
"""The subject of outages of Redis."""


class BadIncidentCursor(VoiceAgentError):
    """This is no cursor of a page of incidents."""


@dataclass(frozen=True, slots=True)
class ProcessName:
    """What is known of a process that an incident is about; "" and 0 where it is not."""

    id: str
    role: str = "worker"
    host: str = ""
    pid: int = 0
    version: str = ""

    @property
    def shown(self) -> str:
        """Return how a sentence names it: `Worker 3f2a01bc (pid 4711 on host)`."""
        place = f" (pid {self.pid} on {self.host})" if self.pid and self.host else f" (pid {self.pid})" * bool(self.pid)
        return f"{self.role.capitalize()} {self.id[:8]}{place}"

    def described(self) -> dict[str, Any]:
        """Return it as the API tells it."""
        return {"id": self.id, "role": self.role, "host": self.host, "pid": self.pid, "version": self.version}

    @classmethod
    def of(cls, described: object) -> "ProcessName | None":
        """Return the process that is described so, or by its own report; None for anything else."""
        if not isinstance(described, dict) or not described.get("id"):
            return None
        pid = described.get("pid")
        role, host, version = (str(described.get(name) or "")[:LONGEST_TEXT] for name in ("role", "host", "version"))
        whole = pid if isinstance(pid, int) and 0 <= pid < 2**31 else 0
        return cls(str(described["id"])[:LONGEST_TEXT], role or "worker", host, whole, version)


@dataclass(frozen=True, slots=True)
class Noticed:
    """A call that noticed an incident: by which turn, `how`, and how much longer (ms) that took.

    `process` is the one that had the turn or the socket before, or "" if that is not known. `silent_since` is when that
    process gave its last sign (Unix seconds), if the turn was taken from it. `noticed_by` is the ingress that got the
    webhook or the socket. Nothing here is of what the caller said.
    """

    call_sid: str
    turn_id: str
    how: How
    ms: float
    at: float
    process: str = ""
    silent_since: float | None = None
    noticed_by: str = ""

    @property
    def name(self) -> str:
        """The turn and how it noticed: what is noted once."""
        return f"{self.call_sid}/{self.turn_id}/{self.how}"

    def described(self) -> dict[str, Any]:
        """Return it as the API tells it."""
        return {
            "call_sid": self.call_sid, "turn_id": self.turn_id, "how": self.how, "ms": round(self.ms, 1),
            "at": time_text(self.at),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Incident:
    """What happened, from `at` to `until` (Unix seconds; None: it lasts, or is a moment).

    `calls` are those that noticed, the first `MOST_LISTED` of `calls_count`; `worst_ms` is the longest that one of them
    waited. `code` and `params` say what `message` says.
    """

    id: str
    kind: IncidentKind
    at: float
    until: float | None
    message: str
    process: ProcessName | None = None
    calls: tuple[Noticed, ...] = ()
    calls_count: int = 0
    worst_ms: float = 0.0
    code: Code | None = None
    params: Mapping[str, Param] = field(default_factory=dict)

    def with_calls(self, more: Sequence[Noticed]) -> "Incident":
        """Return the incident with more calls that noticed it."""
        if not more:
            return self
        return replace(
            self,
            calls=(*self.calls, *more)[:MOST_LISTED],
            calls_count=self.calls_count + len(more),
            worst_ms=max(self.worst_ms, *(each.ms for each in more)),
        )

    def described(self) -> dict[str, Any]:
        """Return it as the API tells it."""
        return {
            "id": self.id, "kind": self.kind, "at": time_text(self.at),
            "until": None if self.until is None else time_text(self.until),
            "process": None if self.process is None else self.process.described(),
            "message": self.message, "code": self.code, "params": dict(self.params),
            "calls": [each.described() for each in self.calls],
            "calls_count": self.calls_count, "worst_ms": round(self.worst_ms, 1),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody saw. Reports with the same `subject` that touch are one incident, however many report it.

    `until` is None while it lasts. A report that has one says what the incident was: it came from whom it happened to.
    """

    subject: str
    kind: IncidentKind
    at: float
    until: float | None = None
    process: ProcessName | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """Some incidents, the newest first, by their ids; and the cursor of the next page or "".

    `unexplained` is what calls have noticed in the time of this page, the newest first, that no incident explains.
    """

    ids: tuple[str, ...] = ()
    cursor: str = ""
    incidents: tuple[Incident, ...] = ()
    unexplained: tuple[Noticed, ...] = ()

    @classmethod
    def of(cls, newest_first: Sequence[str], limit: int, before: str) -> "IncidentPage":
        """Return the first `limit` of these ids that come after `before`. Raise `BadIncidentCursor`."""
        if before and before not in newest_first:
            raise BadIncidentCursor("This is no cursor of a page of incidents, or it is a day old.")
        first = newest_first.index(before) + 1 if before else 0
        ids = tuple(newest_first[first : first + limit])
        return cls(ids, ids[-1] if ids and first + limit < len(newest_first) else "")

    def filled(self, incidents: Sequence[Incident], unexplained: Sequence[Noticed] = ()) -> "IncidentPage":
        """Return the page with what its ids stand for, and what of its time no incident explains."""
        return replace(self, incidents=tuple(incidents), unexplained=tuple(unexplained))


def time_text(at: float) -> str:
    """Return the time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
