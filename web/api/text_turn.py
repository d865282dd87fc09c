"""The body of a text turn, and the answer to it."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import OWN_PREFIX, Turn
from web.api.checked_body import Encodable

LONGEST_AGENT = 100
"""Characters of an agent's name."""
_ANSWERED = {"call_sid", "turn_id", "outcome", "reply"}
RESERVED_TURN_IDS = frozenset({"ended"})


def _new_turn_id() -> str:
    return f"t-{uuid.uuid4().hex}"


_SAYS_SOMETHING: list[JsonValue] = [
    {"required": ["text"], "properties": {"kind": {"const": "speech"}, "text": {"pattern": r"\S"}}},
    {"required": ["kind", "digits"], "properties": {"kind": {"const": "keys"}, "digits": {"minLength": 1}}},
    {"required": ["kind"], "properties": {"kind": {"enum": ["started", "silence"]}}},
]
"""As JSON Schema: what `TextTurn` checks."""


class TextTurn(BaseModel):
    """A turn as a client sends it. Without a `turn_id` it gets a random one, and cannot be retried safely.

    `agent` is the name, in the routes, of the agent that answers, should the call begin with this turn. What a
    `sensitive` one brings is seen by the agent and kept nowhere.
    """

    model_config = ConfigDict(
        extra="ignore", hide_input_in_errors=True, populate_by_name=True, json_schema_extra={"anyOf": _SAYS_SOMETHING}
    )

    turn_id: Annotated[Encodable, Field(min_length=1, max_length=256)] = Field(default_factory=_new_turn_id)
    kind: Literal["started", "speech", "keys", "silence"] = "speech"
    text: Encodable = ""
    digits: Annotated[str, Field(pattern=r"^[0-9*#A-Da-d]*$")] = ""
    from_number: Encodable = Field(default="", alias="from")
    to_number: Encodable = Field(default="", alias="to")
    agent: Annotated[str, Field(min_length=1, max_length=LONGEST_AGENT)] | None = None
    sensitive: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> "TextTurn":
        is_reserved = self.turn_id in RESERVED_TURN_IDS or self.turn_id.startswith(OWN_PREFIX)
        if is_reserved or not self.turn_id.isprintable():
            raise ValueError(f"turn_id must be printable, not 'ended', and not begin with {OWN_PREFIX!r}")
        if self.kind == "speech" and not self.text.strip():
            raise ValueError("text is missing: a turn of kind speech wants words")
        if self.kind == "keys" and not self.digits:
            raise ValueError("digits are missing: a turn of kind keys wants them")
        return self

    def turn(self, call_sid: str, received_at: datetime) -> Turn:
        """Return it as a turn of the call."""
        text = {"speech": self.text, "keys": self.digits}.get(self.kind, "")
        digits = self.digits if self.kind == "keys" else ""
        return Turn(
            turn_id=self.turn_id, call_sid=call_sid, kind=self.kind, text=text, digits=digits, received_at=received_at
        )

    @property
    def opening(self) -> dict[str, Any]:
        """The fields of the state, should the call begin with this turn."""
        return {
            "channel": "api",
            "direction": "inbound",
            "from_number": self.from_number,
            "to_number": self.to_number,
        }


def answer_json(result: TurnResult) -> str:
    """Return the JSON of `answer_of`."""
    return result.model_dump_json(include=_ANSWERED)


def answer_of(result: TurnResult) -> dict[str, Any]:
    """Return the content of the answer to a text turn, the same for each retry."""
    return result.model_dump(mode="json", include=_ANSWERED)
