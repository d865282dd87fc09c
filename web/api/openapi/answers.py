"""What the API answers with, as models: they describe, and check nothing. Answers may get more fields."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState
from orchestrator.incidents.incident import IncidentKind
from orchestrator.worker_versions.overview import VersionState


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class Problem(_Answer):
    """What was wrong with a request, or here (RFC 9457). `error` is the same sentence as `detail`."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str
    error: str


class Said(_Answer):
    """What was said last in a call, and by whom."""

    by: Literal["agent", "caller"]
    text: str


class CallRow(_Answer):
    """One line of the list of calls; `turns` is how many there are, `version` grows with each commit.

    `health` is `slow` while the turn that runs has had no word for more than two seconds or was run again, `failing`
    if the last turn failed. `why` says so in a word.
    """

    call_sid: str
    status: str
    channel: str
    direction: str
    phase: str
    from_number: str
    to_number: str
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    updated_at: str = Field(json_schema_extra={"format": "date-time"})
    agent: str
    tenant: str
    worker_version: str
    turns: int
    version: int
    last: Said | None
    health: Literal["ok", "slow", "failing"]
    why: str


class Calls(_Answer):
    """Active calls, newest first; `count` is how many there are in all, `next` the cursor of the next page."""

    calls: list[CallRow]
    count: int
    next: str | None


class Waiting(_Answer):
    """How many turns that run have no word of a reply yet, and for how long the first has waited."""

    count: int
    seconds: float | None


class Overview(_Answer):
    """What goes on now. What cannot be read is null, and `trouble` says why."""

    at: str = Field(json_schema_extra={"format": "date-time"})
    status: str
    checks: dict[str, Any]
    findings: list[dict[str, Any]]
    active: int | None
    processes: list[dict[str, Any]] | None
    turns: dict[str, Any]
    running: int
    waiting: Waiting
    trouble: str | None


class Call(ConversationState):
    """The whole state of one call."""


class CallPlaced(_Answer):
    """A call that was placed: `status` is the provider's word for how it stands."""

    call_sid: str
    status: str


class TurnAnswer(_Answer):
    """The reply to a turn, the same however often it is asked for."""

    call_sid: str
    turn_id: str
    outcome: str
    reply: Reply


class SignalAnswer(TurnAnswer):
    """The reply to what entered a call from outside; `delivery` is how the caller hears it, if that is known."""

    delivery: str | None = None


class DeadLetter(_Answer):
    """A turn that was given up: it lost its worker too often, or cannot be read."""

    call_sid: str
    turn_id: str
    kind: str
    text: str
    digits: str
    attempts: int
    reason: str
    received_at: str = Field(json_schema_extra={"format": "date-time"})
    dead_lettered_at: str = Field(json_schema_extra={"format": "date-time"})
    replayable: bool


class DeadLetters(_Answer):
    """A page of dead letters, newest first; `count` is how many there are, `next_cursor` null after the last page."""

    dead_letters: list[DeadLetter]
    count: int
    next_cursor: str | None


class Delivery(_Answer):
    """One event for one sink, which is not delivered yet."""

    call_sid: str
    position: int
    seq: int
    id: str
    type: str
    timestamp: str = Field(json_schema_extra={"format": "date-time"})
    sink: str
    state: Literal["pending", "dead"]
    attempts: int
    error: str | None
    next_at: str | None
    dead_at: str | None
    bytes: int


class Deliveries(_Answer):
    """The deliveries of one call."""

    events: list[Delivery]


class DeliveriesPage(Deliveries):
    """A page of deliveries; `next_cursor` is null after the last page."""

    next_cursor: str | None


class EventShown(_Answer):
    """An event as its sinks get it, and its deliveries."""

    event: dict[str, Any]
    deliveries: list[Delivery]


class Replayed(_Answer):
    """For how many sinks an event is delivered again."""

    replayed: int


class Dropped(_Answer):
    """For how many sinks an event is not delivered any more."""

    dropped: int


class Retried(_Answer):
    """For how many calls the next attempt is made at once."""

    calls: int


class RecordsPage(_Answer):
    """Records without their turns, newest first; `next_cursor` is null after the last page."""

    records: list[dict[str, Any]]
    next_cursor: str | None


class CallRecord(_Answer):
    """The record of a call, as its `call.ended` told it."""

    call_sid: str
    status: str
    turns: list[dict[str, Any]]


class TurnTally(_Answer):
    """Of so many turns that were `seen`, so many `failed`."""

    seen: int
    failed: int


class Version(_Answer):
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


class Rollout(_Answer):
    """The rollout plan, and what is known of each version."""

    revision: int
    current: str | None
    ramping: str | None
    percent: float
    versions: list[Version]
    message: str
    concerns: list[str]


class Process(_Answer):
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


class Processes(_Answer):
    """Every process that runs, or was lost in the last ten minutes; the lost ones last."""

    processes: list[Process]


class Drained(_Answer):
    """A worker was told to drain."""

    id: str
    state: Literal["draining"]


class NoticedBy(_Answer):
    """A call that noticed an incident: by which turn, how, and how much longer (ms) that took."""

    call_sid: str
    turn_id: str
    how: Literal["run_again", "held", "reconnected", "repeated", "failed"]
    ms: float
    at: str = Field(json_schema_extra={"format": "date-time"})


class ProcessNamed(_Answer):
    """The process that an incident is about, as it reported itself."""

    id: str
    role: str
    host: str
    pid: int
    version: str


class IncidentShown(_Answer):
    """What happened. `until` is null while it lasts, and of a moment. The first 200 of `calls_count` calls are listed;
    `worst_ms` is the longest that one of them waited."""

    id: str
    kind: IncidentKind
    at: str = Field(json_schema_extra={"format": "date-time"})
    until: str | None = Field(json_schema_extra={"format": "date-time"})
    process: ProcessNamed | None
    message: str
    calls: list[NoticedBy]
    calls_count: int
    worst_ms: float


class Incidents(_Answer):
    """A page of incidents; `next` is null after the last page."""

    incidents: list[IncidentShown]
    next: str | None


class FindingCalls(_Answer):
    """How many calls notice a finding, and the first of them."""

    count: int
    sids: list[str]


class FindingShown(_Answer):
    """What is wrong, and what to do. Its `id` stays as long as it lasts."""

    id: str
    level: Literal["problem", "warning", "note"]
    message: str
    advice: str
    since: str | None = Field(json_schema_extra={"format": "date-time"})
    calls: FindingCalls


class Findings(_Answer):
    """What is wrong now, the worst first."""

    findings: list[FindingShown]


class SessionShown(_Answer):
    """Who sends the request, and what they may do; `until` is when a session ends, null for a key."""

    name: str
    scopes: list[Literal["read", "converse", "dial", "control", "admin"]]
    until: str | None = Field(json_schema_extra={"format": "date-time"})


class Health(_Answer):
    """The health in one word."""

    status: str


class HealthInDetail(Health):
    """The health, what it is based on, and which versions run."""

    version: str
    worker_versions: list[str] | dict[str, Any] | None
    checks: dict[str, Any]
    redis: dict[str, Any] | None
