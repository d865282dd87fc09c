"""What the API answers with about the system, as models: versions, processes, incidents, sessions, health."""

from typing import Any, Literal

from pydantic import Field

from orchestrator.incidents.incident import IncidentKind
from orchestrator.worker_versions.overview import VersionState
from web.api.openapi.answers import OpenAnswer


class TurnTally(OpenAnswer):
    """Of so many turns that were `seen`, so many `failed`."""

    seen: int
    failed: int


class Version(OpenAnswer):
    """One version of the workers."""

    version: str
    state: VersionState
    percent: float | None
    workers: int
    draining_workers: int
    calls: int
    turns: int
    last_turns: TurnTally
    failure_rate: float | None


class SentenceShown(OpenAnswer):
    """A sentence, and what to do. `code` stays the same in later versions; `params` are the values in the sentence."""

    code: str
    params: dict[str, str | int | float]
    message: str
    advice: str


class Rollout(OpenAnswer):
    """The rollout plan, and what is known of each version. `says` are `message` and `concerns` with their codes."""

    revision: int
    current: str | None
    ramping: str | None
    percent: float
    versions: list[Version]
    message: str
    concerns: list[str]
    says: list[SentenceShown]


class Process(OpenAnswer):
    """A process of the deployment, as it reported itself last. `sockets` are an ingress' open relay sessions."""

    id: str
    role: Literal["worker", "ingress"]
    host: str
    pid: int
    version: str
    agent: str
    started_at: str | None = Field(json_schema_extra={"format": "date-time"})
    seen_at: str = Field(json_schema_extra={"format": "date-time"})
    state: Literal["running", "draining", "silent", "lost"]
    running: int
    slots: int
    stuck_threads: int
    sockets: int | None
    lost_at: str | None = Field(json_schema_extra={"format": "date-time"})


class Processes(OpenAnswer):
    """Every process that runs, or was lost in the last ten minutes; the lost ones last."""

    processes: list[Process]


class Drained(OpenAnswer):
    """A worker was told to drain."""

    id: str
    state: Literal["draining"]


class NoticedBy(OpenAnswer):
    """A call that noticed an incident: by which turn, how, and how much longer (ms) that took."""

    call_sid: str
    turn_id: str
    how: Literal["run_again", "held", "reconnected", "repeated", "failed"]
    ms: float
    at: str = Field(json_schema_extra={"format": "date-time"})


class ProcessNamed(OpenAnswer):
    """The process that an incident is about, as it reported itself."""

    id: str
    role: str
    host: str
    pid: int
    version: str


class IncidentShown(OpenAnswer):
    """What happened. `until` is null while it lasts, and of a moment. The first 200 of `calls_count` calls are listed;
    `worst_ms` is the longest that one of them waited."""

    id: str
    kind: IncidentKind
    at: str = Field(json_schema_extra={"format": "date-time"})
    until: str | None = Field(json_schema_extra={"format": "date-time"})
    process: ProcessNamed | None
    message: str
    code: str | None
    params: dict[str, str | int | float]
    calls: list[NoticedBy]
    calls_count: int
    worst_ms: float


class Incidents(OpenAnswer):
    """A page of incidents; `next` is null after the last page. `unexplained` is what calls noticed in the time of this
    page, the newest first, that no incident explains: 50 at most, and of the last minute none."""

    incidents: list[IncidentShown]
    next: str | None
    unexplained: list[NoticedBy]


class FindingCalls(OpenAnswer):
    """How many calls notice a finding, and the first of them."""

    count: int
    sids: list[str]


class FindingShown(OpenAnswer):
    """What is wrong, and what to do; the same by `code` and `params`, for other languages. Its `id` stays as long as it
    lasts."""

    id: str
    level: Literal["problem", "warning", "note"]
    message: str
    advice: str
    code: str | None
    params: dict[str, str | int | float]
    since: str | None = Field(json_schema_extra={"format": "date-time"})
    calls: FindingCalls


class Findings(OpenAnswer):
    """What is wrong now, the worst first."""

    findings: list[FindingShown]


class SessionShown(OpenAnswer):
    """Who sends the request, and what they may do; `until` is when a session ends, null for a key."""

    name: str
    scopes: list[Literal["read", "converse", "dial", "control", "admin"]]
    until: str | None = Field(json_schema_extra={"format": "date-time"})


class Health(OpenAnswer):
    """The health in one word."""

    status: str


class HealthInDetail(Health):
    """The health, what it is based on, and which versions run."""

    version: str
    worker_versions: list[str] | dict[str, Any] | None
    checks: dict[str, Any]
    redis: dict[str, Any] | None
