"""What the API answers with, as models: they describe, and check nothing. Answers may get more fields."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState


class OpenAnswer(BaseModel):
    """An answer that may get more fields."""

    model_config = ConfigDict(extra="allow")


class Problem(OpenAnswer):
    """What was wrong with a request, or here (RFC 9457). `error` is the same sentence as `detail`."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str
    error: str


class Said(OpenAnswer):
    """What was said last in a call, and by whom."""

    by: Literal["agent", "caller"]
    text: str


class CallRow(OpenAnswer):
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


class Calls(OpenAnswer):
    """Active calls, newest first; `count` is how many there are in all, `next` the cursor of the next page."""

    calls: list[CallRow]
    count: int
    next: str | None


class Waiting(OpenAnswer):
    """How many turns that run have no word of a reply yet, and for how long the first has waited."""

    count: int
    seconds: float | None


class Overview(OpenAnswer):
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


class CallPlaced(OpenAnswer):
    """A call that was placed: `status` is the provider's word for how it stands."""

    call_sid: str
    status: str


class TurnAnswer(OpenAnswer):
    """The reply to a turn, the same however often it is asked for."""

    call_sid: str
    turn_id: str
    outcome: str
    reply: Reply


class SignalAnswer(TurnAnswer):
    """The reply to what entered a call from outside; `delivery` is how the caller hears it, if that is known."""

    delivery: str | None = None


class DeadLetter(OpenAnswer):
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


class DeadLetters(OpenAnswer):
    """A page of dead letters, newest first; `count` is how many there are, `next_cursor` null after the last page."""

    dead_letters: list[DeadLetter]
    count: int
    next_cursor: str | None


class Delivery(OpenAnswer):
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


class Deliveries(OpenAnswer):
    """The deliveries of one call."""

    events: list[Delivery]


class DeliveriesPage(Deliveries):
    """A page of deliveries; `next_cursor` is null after the last page."""

    next_cursor: str | None


class EventShown(OpenAnswer):
    """An event as its sinks get it, and its deliveries."""

    event: dict[str, Any]
    deliveries: list[Delivery]


class Replayed(OpenAnswer):
    """For how many sinks an event is delivered again."""

    replayed: int


class Dropped(OpenAnswer):
    """For how many sinks an event is not delivered any more."""

    dropped: int


class Retried(OpenAnswer):
    """For how many calls the next attempt is made at once."""

    calls: int


class RecordsPage(OpenAnswer):
    """Records without their turns, newest first; `next_cursor` is null after the last page."""

    records: list[dict[str, Any]]
    next_cursor: str | None


class CallRecord(OpenAnswer):
    """The record of a call, as its `call.ended` told it."""

    call_sid: str
    status: str
    turns: list[dict[str, Any]]
