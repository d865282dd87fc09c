"""`ConversationState`: everything that is known of a call. Any process that has it can take the call's next turn."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.clock import utc_now
from orchestrator.conversation.faults import Fault
from orchestrator.conversation.open_values import OpenToNewer
from orchestrator.conversation.reply import Outcome, Reply, TurnResult, no_items
from orchestrator.conversation.timings import Timings
from orchestrator.conversation.turn import Turn, TurnKind

CallStatus = Literal["active", "completed", "failed", "busy", "no-answer", "canceled", "abandoned"]
Channel = Literal["gather", "relay", "api"]


class TurnRecord(BaseModel):
    """A turn and its reply. `heard` is what reached the caller, or None if that was the whole reply.

    `first_word_at` is when the agent's first word was sent, on a channel that streams. `reason` is why a turn failed:
    the type and place of the error, never its message. `timings` says when the turn reached its stages
    (`orchestrator.conversation.timings`). `agent` is the name of the agent that got the turn, if it handed the call on;
    `phases` are those in which each agent left the call that it handed on. `data` is the turn's. `preceding`, over
    webhooks, are the replies to own turns that the caller hears before this one; `unspoken`, on a relay, are the turns
    of those that were still to be spoken when this one came. `worker` is the id of the process that ran it, `attempts`
    how many runs it took, `absorbed` what it has survived. `overlap` and `interrupt` are sent
    with the result and not stored. Of a `sensitive` turn `text` is `[hidden]`; `brought` is what it brought, encrypted,
    on its way to the `hidden_words` of the state.
    """

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    turn_id: str
    kind: Annotated[TurnKind, OpenToNewer()]
    text: str = ""
    digits: str = ""
    confidence: float | None = None
    received_at: datetime
    outcome: Annotated[Outcome, OpenToNewer()]
    reply: Reply = Field(default_factory=Reply)
    heard: str | None = None
    epoch: int = 0
    committed_at: datetime = Field(default_factory=utc_now)
    first_word_at: datetime | None = Field(default=None, exclude_if=lambda at: at is None)
    reason: str = Field(default="", exclude_if=lambda reason: not reason)
    timings: Timings = Field(default_factory=dict, exclude_if=lambda timings: not timings)
    agent: str = Field(default="", exclude_if=lambda name: not name)
    phases: list[str] = Field(default_factory=no_items, exclude_if=lambda phases: not phases)
    data: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda data: not data)
    preceding: list[Reply] = Field(default_factory=no_items, exclude_if=lambda replies: not replies)
    unspoken: list[str] = Field(default_factory=no_items, exclude_if=lambda unspoken: not unspoken)
    sensitive: bool = Field(default=False, exclude_if=lambda sensitive: not sensitive)
    worker: str = Field(default="", exclude_if=lambda worker: not worker)
    attempts: int = Field(default=1, exclude_if=lambda attempts: attempts <= 1)
    absorbed: list[Fault] = Field(default_factory=no_items, exclude_if=lambda absorbed: not absorbed)
    brought: str = Field(default="", repr=False, exclude=True)
    overlap: str | None = Field(default=None, exclude=True)
    interrupt: bool = Field(default=False, exclude=True)

    @property
    def heard_text(self) -> str:
        """What the caller heard of the reply."""
        return self.reply.text if self.heard is None else self.heard

    @classmethod
    def of(
        cls,
        turn: Turn,
        outcome: Outcome,
        reply: Reply,
        *,
        epoch: int = 0,
        first_word_at: datetime | None = None,
        reason: str = "",
    ) -> "TurnRecord":
        """Return the record of `turn`, answered by `reply`."""
        return cls(
            turn_id=turn.turn_id,
            kind=turn.kind,
            text=turn.text,
            digits=turn.digits,
            confidence=turn.confidence,
            received_at=turn.received_at,
            outcome=outcome,
            reply=reply,
            epoch=epoch,
            first_word_at=first_word_at,
            reason=reason,
            data=turn.data,
            unspoken=turn.unspoken,
            sensitive=turn.sensitive,
            interrupt=turn.interrupt,
        )

    def result(self, call_sid: str) -> TurnResult:
        """Return what the ingress gets for this turn."""
        return TurnResult(
            call_sid=call_sid,
            turn_id=self.turn_id,
            outcome=self.outcome,
            reply=self.reply,
            overlap=self.overlap,
            timings=self.timings,
            preceding=self.preceding,
            interrupt=self.interrupt,
        )


class Timer(BaseModel):
    """A timer that is set: `turn_id` is that of the turn that it brings, at `due_at` (the server's clock).

    `sealed_words` has its data, encrypted, if that repeats what a sensitive turn brought.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    turn_id: str
    due_at: datetime
    data: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda data: not data)
    sealed_words: str = Field(default="", repr=False, exclude_if=lambda words: not words)


class Activity(BaseModel):
    """An activity whose result has not come yet: `turn_id` is that of the turn that brings it."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    turn_id: str
    function: str
    started_at: datetime


class EndRecord(BaseModel):
    """How a call ended. A call gets exactly one, and it never changes."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    status: Annotated[CallStatus, OpenToNewer()]
    reason: str = ""
    at: datetime = Field(default_factory=utc_now)


class ConversationState(BaseModel):
    """The state of one call.

    `version` counts commits. It is the first field on purpose: Redis scripts read it off the front of the JSON without
    parsing the rest. Fields that a newer version of the program added survive being read and written by this one. An
    ingress that has an open connection sets `open_until` if the store keeps a call alive only by a write.

    `agent` is the name, in the routes, of the agent that has the call; "" is the one that `AGENT` names. `tenant` is
    whose call it is. `timers` and `activities` are those that are set and running, by name: they change by actions and
    by the turns that they bring, not by what an agent writes there. `worker_version` is the version of the workers that
    the call is pinned to. `hidden_slots` are the encrypted values of those slots that hold what a sensitive turn
    brought, and `hidden_words` what such turns brought, encrypted: outside of an agent's run, both are shown as
    `[hidden]`. `settings` are those of its agent: looked up whenever an agent runs, and never stored.
    """

    model_config = ConfigDict(extra="allow", validate_assignment=False, hide_input_in_errors=True)

    version: int = 0
    call_sid: str
    status: Annotated[CallStatus, OpenToNewer()] = "active"
    channel: Annotated[Channel, OpenToNewer()] = "gather"
    direction: str = "inbound"
    from_number: str = ""
    to_number: str = ""
    phase: str = ""
    slots: dict[str, Any] = Field(default_factory=dict)
    turns: list[TurnRecord] = Field(default_factory=no_items)
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    ended: EndRecord | None = None
    open_until: datetime | None = Field(default=None, exclude_if=lambda until: until is None)
    agent: str = Field(default="", exclude_if=lambda name: not name)
    tenant: str = Field(default="", exclude_if=lambda tenant: not tenant)
    worker_version: str = Field(default="", exclude_if=lambda version: not version)
    timers: dict[str, Timer] = Field(default_factory=dict, exclude_if=lambda timers: not timers)
    activities: dict[str, Activity] = Field(default_factory=dict, exclude_if=lambda activities: not activities)
    hidden_slots: dict[str, str] = Field(default_factory=dict, repr=False, exclude_if=lambda slots: not slots)
    hidden_words: list[str] = Field(default_factory=no_items, repr=False, exclude_if=lambda words: not words)
    settings: dict[str, Any] = Field(default_factory=dict, exclude=True)

    @property
    def is_active(self) -> bool:
        """True until the call has ended."""
        return self.ended is None

    def record_of(self, turn_id: str) -> TurnRecord | None:
        """Return the record of the turn with this id, or None. Searches from the latest turn."""
        for record in reversed(self.turns):
            if record.turn_id == turn_id:
                return record
        return None
