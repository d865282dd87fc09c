"""An outbound call as the API takes it, and the part of it that travels in the webhook's URL."""

import json
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from orchestrator import clock
from orchestrator.conversation.silence import RINGING_SECONDS
from orchestrator.routes.choice import Choice
from web.seal import Seal

PARTY = r"^(\+[1-9][0-9]{4,14}|sips?:[^\s<>\"]{1,250}|client:[A-Za-z0-9_.@+-]{1,120})$"
MAX_SLOTS_BYTES = 2048
"""Slots travel in the webhook's URL."""

Machine = Literal["off", "hang_up", "leave_message"]
MACHINES = ("machine", "fax")
"""How `AnsweredBy` begins when no person answered: machine_start, machine_end_beep, … and fax."""


class OutboundCall(BaseModel):
    """The body of `POST /calls`. `slots` are the slots of the new call's state. `agent` is the name, in the routes, of
    who talks; without it the route of the number decides that the call is placed from.

    `machine_detection`: `off`, or what to do when a machine answers: `hang_up`, or `leave_message` (the agent starts
    after the beep, and finds `answered_by` in the slots).
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, populate_by_name=True, defer_build=True)

    to: Annotated[str, Field(pattern=PARTY)]
    from_number: str | None = Field(default=None, alias="from", pattern=PARTY)
    slots: dict[str, Any] = Field(default_factory=dict)
    machine_detection: Machine = "off"
    ring_seconds: Annotated[int, Field(ge=5, le=RINGING_SECONDS)] = 60
    agent: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, exclude_if=lambda agent: agent is None
    )

    @field_validator("slots")
    @classmethod
    def _fit_a_url(cls, slots: dict[str, Any]) -> dict[str, Any]:
        try:
            size = len(json.dumps(slots, ensure_ascii=False).encode())
        except UnicodeEncodeError:
            raise ValueError("hold half of a surrogate pair") from None
        if size > MAX_SLOTS_BYTES:
            raise ValueError(f"take {size} bytes; at most {MAX_SLOTS_BYTES} travel with a call")
        return slots

    @property
    def fingerprint(self) -> str:
        """A hash of all fields: the same for equal requests."""
        return sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


MAX_CONTEXT_SECONDS = 24 * 3600.0
"""So long after its order a placed call may begin: it may have to wait at the provider. Clocks may be minutes apart."""


class OutboundContext(BaseModel):
    """What the webhook of the answered call needs to know of the `OutboundCall`. Sealed in that webhook's URL.

    `choice` is who talks (`Choice.packed`); None if an older version placed the call, or where there are no routes.
    """

    model_config = ConfigDict(defer_build=True)

    slots: dict[str, Any] = Field(default_factory=dict)
    machine_detection: Machine = "off"
    choice: dict[str, Any] | None = Field(default=None, exclude_if=lambda choice: choice is None)
    placed_at: float | None = None
    """When the call was ordered (Unix seconds); None if an older version placed it."""

    @classmethod
    def of(cls, call: OutboundCall, choice: Choice | None = None) -> "OutboundContext":
        """Return the context of `call`."""
        packed = None if choice is None else choice.packed()
        return cls(slots=call.slots, machine_detection=call.machine_detection, choice=packed, placed_at=clock.now())

    def sealed(self, seal: Seal) -> str:
        """Return the context as text that is safe in a URL."""
        return seal.wrap(self.model_dump_json().encode())

    def initial_slots(self, answered_by: str) -> dict[str, Any]:
        """Return the slots of the call's state. `answered_by` is the provider's `AnsweredBy`."""
        return {**self.slots, "answered_by": answered_by} if answered_by else dict(self.slots)

    def hangs_up_on(self, answered_by: str) -> bool:
        """True if the call is to be ended because a machine answered."""
        return self.machine_detection == "hang_up" and answered_by.startswith(MACHINES)


def read_outbound_context(seal: Seal, text: str) -> OutboundContext | None:
    """Return what `OutboundContext.sealed` returned as `text`; None when the seal is not ours, broken or too old."""
    content = seal.unwrap(text)
    if content is None:
        return None
    try:
        context = OutboundContext.model_validate_json(content)
    except ValidationError:  # a newer version wrote it
        return None
    is_old = context.placed_at is not None and abs(clock.now() - context.placed_at) > MAX_CONTEXT_SECONDS
    return None if is_old else context
