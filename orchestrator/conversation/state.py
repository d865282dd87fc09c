"""`ConversationState`: everything that is true of a call. Whoever has it can go on with the call."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.clock import utc_now
from orchestrator.conversation.open_values import OpenToNewer
from orchestrator.conversation.reply import Outcome, Reply, TurnResult
from orchestrator.conversation.turn import Turn, TurnKind

CallStatus = Literal["active", "completed", "failed", "busy", "no-answer", "canceled", "abandoned"]
Channel = Literal["gather", "relay", "api"]


class TurnRecord(BaseModel):
    """A turn and how it was answered. `heard` is what reached the caller where that is less than the reply.

    `first_word_at` is when the agent's first word went out, where words go out as they are said; `reason` is why a turn
    failed: what was raised and where, but never what it said.
    `overlap` travels with the result and is not kept.
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
    overlap: str | None = Field(default=None, exclude=True)

    @property
    def heard_text(self) -> str:
        """What the caller heard of the reply."""
        return self.reply.text if self.heard is None else self.heard

    @classmethod
    def of(cls, turn: Turn, outcome: Outcome, reply: Reply, *, epoch: int = 0) -> "TurnRecord":
        """The record of `turn`, answered by `reply`."""
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
        )

    def result(self, call_sid: str) -> TurnResult:
        """What the ingress is told of this turn."""
        return TurnResult(
            call_sid=call_sid, turn_id=self.turn_id, outcome=self.outcome, reply=self.reply, overlap=self.overlap
        )


class EndRecord(BaseModel):
    """How a call ended. A call gets exactly one, and it never changes."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    status: Annotated[CallStatus, OpenToNewer()]
    reason: str = ""
    at: datetime = Field(default_factory=utc_now)


class ConversationState(BaseModel):
    """The state of one call.

    `version` counts commits, and is the first field on purpose: Redis scripts read it off the front of the JSON
    without parsing the rest. Fields that a newer version of the program added survive being read and
    written by this one. `open_until` is noted by the ingress that holds an open line, where the store needs to be
    written for the call to live on.
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
    turns: list[TurnRecord] = Field(default_factory=list)
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    ended: EndRecord | None = None
    open_until: datetime | None = Field(default=None, exclude_if=lambda until: until is None)

    @property
    def is_active(self) -> bool:
        """Whether the call goes on."""
        return self.ended is None

    def record_of(self, turn_id: str) -> TurnRecord | None:
        """The record of the turn with this id; the latest turns are looked at first."""
        return next((r for r in reversed(self.turns) if r.turn_id == turn_id), None)
