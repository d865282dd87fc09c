"""Actions by which the caller leaves the conversation for a while: connected with a person, or leaving a message.

Each comes back as a turn of its own: `transferred` or `recorded`.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from orchestrator.conversation.action_base import BaseAction, by_position

MOST_TARGETS = 10
"""How many people one transfer may ring (`<Dial>` takes ten, says Twilio's documentation of `<Number>`)."""
Target = Annotated[str, Field(min_length=1, max_length=512)]


class Transfer(BaseAction):
    """Connect the caller with a person. `to` is an E.164 number, a `sip:` address or `client:name`, or several of them,
    which ring `one_by_one` or `at_once`, each for `ring_seconds`.

    `caller_id` is the number that they see; None: the caller's, or ours where that is none. `announce` is said to the
    person before the caller is connected; with `accept_key` they must press that key, or have declined.

    After a conversation (`then`) and when nobody took the call (`on_failure`), the caller is hung up on or returns to
    the agent, which gets a turn of kind `transferred`: its `text` is the provider's word (`completed`, `busy`,
    `no-answer`, `failed`, `canceled`) or `declined`, its `data` has `to` (whom it is about) and `seconds` (of
    conversation).
    """

    type: Literal["transfer"] = "transfer"
    to: Target | Annotated[tuple[Target, ...], Field(min_length=1, max_length=MOST_TARGETS)]
    reason: str = ""
    ring_seconds: int = Field(default=30, ge=5, le=600, exclude_if=lambda seconds: seconds == 30)
    order: Literal["one_by_one", "at_once"] = Field(default="one_by_one", exclude_if=lambda it: it == "one_by_one")
    caller_id: str | None = Field(default=None, max_length=512, exclude_if=lambda it: it is None)
    announce: str | None = Field(default=None, max_length=4000, exclude_if=lambda it: it is None)
    accept_key: str | None = Field(default=None, pattern=r"^[0-9*#]$", exclude_if=lambda it: it is None)
    then: Literal["hang_up", "return"] = Field(default="hang_up", exclude_if=lambda it: it == "hang_up")
    on_failure: Literal["hang_up", "return"] = Field(default="return", exclude_if=lambda it: it == "return")

    @by_position
    def __init__(self, to: str | tuple[str, ...] | list[str], **fields: object) -> None:  # reads better positional
        super().__init__(to=to, **fields)

    @property
    def targets(self) -> tuple[str, ...]:
        """Return whom to ring, in order."""
        return (self.to,) if isinstance(self.to, str) else self.to


class Record(BaseAction):
    """Record a message of the caller's, after a `beep`, for at most `max_seconds`; `finish_on_key` ends it.

    It comes back as a turn of kind `recorded`: its `data` has `url` ("" if nothing was recorded) and `seconds`.
    """

    type: Literal["record"] = "record"
    max_seconds: int = Field(default=120, ge=1, le=3600)
    finish_on_key: str = Field(default="#", pattern=r"^[0-9*#]*$", max_length=12)
    beep: bool = True

    @field_validator("finish_on_key")
    @classmethod
    def _has_each_key_once(cls, keys: str) -> str:
        return "".join(dict.fromkeys(keys))
