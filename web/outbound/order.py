"""The order of an outbound call: as the API takes it, and as it travels to the call that it becomes."""

import json
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orchestrator.conversation.silence import RINGING_SECONDS

PARTY = r"^(\+[1-9][0-9]{4,14}|sips?:[^\s<>\"]{1,250}|client:[A-Za-z0-9_.@+-]{1,120})$"
MAX_SLOTS_BYTES = 2048
"""What travels in a URL with the call."""

Machine = Literal["off", "hang_up", "leave_message"]
MACHINES = ("machine", "fax")
"""How `AnsweredBy` begins when nobody is there: machine_start, machine_end_beep, … and fax."""


class Order(BaseModel):
    """An outbound call. `slots` are what the agent knows from the start.

    `machine_detection`: `off`, or what happens when a machine answers: `hang_up`, or `leave_message` (the agent
    begins after the beep, and finds `answered_by` in the slots).
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, populate_by_name=True)

    to: Annotated[str, Field(pattern=PARTY)]
    from_number: str | None = Field(default=None, alias="from", pattern=PARTY)
    slots: dict[str, Any] = Field(default_factory=dict)
    machine_detection: Machine = "off"
    ring_seconds: Annotated[int, Field(ge=5, le=RINGING_SECONDS)] = 60

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
        """The same for orders that want the same."""
        return sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


class Errand(BaseModel):
    """What the answered call must know of its order. Sealed in its URL."""

    slots: dict[str, Any] = Field(default_factory=dict)
    machine_detection: Machine = "off"

    def opened_by(self, answered_by: str) -> dict[str, Any]:
        """The slots that the call begins with."""
        return {**self.slots, "answered_by": answered_by} if answered_by else dict(self.slots)

    def is_in_vain(self, answered_by: str) -> bool:
        """Whether to hang up on who answered."""
        return self.machine_detection == "hang_up" and answered_by.startswith(MACHINES)
