"""The bodies of what enters a live call from outside: a signal, or what a person says and does in the agent's place."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orchestrator.conversation.actions import HangUp, Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.schedule_actions import JsonObject
from orchestrator.conversation.turn import OWN_PREFIX, Turn
from orchestrator.dial_allow import objection
from orchestrator.settings import Settings
from web.api.checked_body import Encodable
from web.outbound.outbound_call import PARTY
from web.problem_types import ORDER_REFUSED
from web.problems import Problem

LONGEST_SIGNAL_ID = 200
LONGEST_TEXT = 4000


class _Body(BaseModel):
    """What all have: an id, by which it happens once however often it is sent. Without one it gets a random one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    signal_id: str = Field(default_factory=lambda: uuid.uuid4().hex, min_length=1, max_length=LONGEST_SIGNAL_ID)

    @field_validator("signal_id")
    @classmethod
    def _is_printable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be printable")
        return value

    @property
    def is_interrupting(self) -> bool:
        """True if it is not to wait until what is being said is over."""
        return False

    @property
    def is_sensitive(self) -> bool:
        """True if what it brings is for the agent alone."""
        return False

    def turn(self, call_sid: str, received_at: datetime) -> Turn:
        """Return it as a turn of the call."""
        return Turn(
            turn_id=f"{OWN_PREFIX}signal-{self.signal_id}",
            call_sid=call_sid,
            kind="signal",
            received_at=received_at,
            interrupt=self.is_interrupting,
            **self.fields(),
        )

    def fields(self) -> dict[str, Any]:
        """Return what the turn says."""
        raise NotImplementedError


class Signal(_Body):
    """`POST /calls/{call_sid}/signals`: the agent gets a turn of kind `signal`.

    The data of a `sensitive` one is seen by the agent and kept nowhere; its name is.
    """

    name: Encodable = Field(min_length=1, max_length=100)
    data: JsonObject = Field(default_factory=dict)
    interrupt: bool = False
    sensitive: bool = False

    @property
    def is_interrupting(self) -> bool:
        return self.interrupt

    @property
    def is_sensitive(self) -> bool:
        return self.sensitive

    def fields(self) -> dict[str, Any]:
        return {"text": self.name, "data": self.data}


class Say(_Body):
    """`POST /calls/{call_sid}/say`: the caller hears the text."""

    text: Encodable = Field(min_length=1, max_length=LONGEST_TEXT)
    interrupt: bool = False

    @property
    def is_interrupting(self) -> bool:
        return self.interrupt

    def fields(self) -> dict[str, Any]:
        return {"text": "say", "given_reply": Reply(text=self.text)}


class TransferByHand(_Body):
    """`POST /calls/{call_sid}/transfer`: the caller is connected with `to`, at once.

    If nobody takes the call, it comes back to the agent, as when the agent itself transfers.
    """

    to: Annotated[str, Field(pattern=PARTY)]
    ring_seconds: int = Field(default=30, ge=5, le=600)
    announce: Encodable | None = Field(default=None, max_length=LONGEST_TEXT)
    then: Literal["hang_up", "return"] = "hang_up"

    @property
    def is_interrupting(self) -> bool:
        return True

    def fields(self) -> dict[str, Any]:
        action = Transfer(
            self.to, reason="by hand", ring_seconds=self.ring_seconds, announce=self.announce, then=self.then
        )
        return {"text": "transfer", "given_reply": Reply(actions=[action])}

    def check_allowed(self, settings: Settings) -> None:
        """Answer 422 if `DIAL_ALLOW` does not allow to dial `to`. `TRANSFER_TO` is always allowed."""
        if self.to == settings.transfer_to:
            return
        if (why_not := objection(self.to, settings.twilio_from_number or "", settings.dial_prefixes)) is not None:
            raise Problem(ORDER_REFUSED, f"to: This may not be dialled. {why_not}")


class HangUpByHand(_Body):
    """`POST /calls/{call_sid}/hang-up`: the call ends, at once."""

    reason: Encodable = Field(default="by hand", max_length=200)

    @property
    def is_interrupting(self) -> bool:
        return True

    def fields(self) -> dict[str, Any]:
        return {"text": "hang-up", "given_reply": Reply(actions=[HangUp(reason=self.reason)])}
