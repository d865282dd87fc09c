"""Actions that make something happen later or elsewhere. The commit of their turn writes them into the schedule.

They hold although the caller cuts the reply off after them. Those of a turn that failed, timed out or was merged do
not.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from orchestrator.conversation.action_base import BaseAction, by_position
from orchestrator.conversation.json_values import json_value

LONGEST_TIMER_SECONDS = 24 * 3600.0
MOST_TEXT = 1600
"""Characters of a text message (Twilio refuses more with error 21617)."""


JsonObject = Annotated[dict[str, Any], BeforeValidator(json_value)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class SetTimer(BaseAction):
    """Get a turn of kind `timer` in `seconds` from the commit of this turn: its `text` is the `name`, its `data` the
    `data`. A call has one timer of a name: setting it again replaces it. When the call ends, its timers are gone.
    """

    type: Literal["set_timer"] = "set_timer"
    name: Name
    seconds: float = Field(ge=0, le=LONGEST_TIMER_SECONDS, allow_inf_nan=False)
    data: JsonObject = Field(default_factory=dict)

    @by_position
    def __init__(self, name: str, seconds: float, data: dict[str, Any] | None = None, **fields: object) -> None:
        super().__init__(name=name, seconds=seconds, data=data or {}, **fields)


class CancelTimer(BaseAction):
    """Take the timer of this name back. Without such a timer, nothing happens."""

    type: Literal["cancel_timer"] = "cancel_timer"
    name: Name

    @by_position
    def __init__(self, name: str, **fields: object) -> None:
        super().__init__(name=name, **fields)


class StartActivity(BaseAction):
    """Run a function in a worker while the conversation goes on. `args` are its keyword arguments.

    It runs at least once: a parameter named `idempotency_key` gets the same text at every run. A run may take
    `timeout_seconds`; one that fails is tried again `retries` times. Its result comes as a turn of kind `activity`,
    whose `text` is the `name` (the function's own, if none is given) and whose `data` has `result`, or `error`: the
    class of the last error, never its text. Starting a second one under a live name fails the turn.
    """

    type: Literal["start_activity"] = "start_activity"
    function: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", max_length=400)
    args: JsonObject = Field(default_factory=dict)
    name: Name
    timeout_seconds: float = Field(default=60, gt=0, le=3600, allow_inf_nan=False)
    retries: int = Field(default=2, ge=0, le=20)

    @by_position
    def __init__(
        self, function: str, args: dict[str, Any] | None = None, *, name: str | None = None, **fields: object
    ) -> None:
        own_name = str(function).rpartition(":")[2]
        super().__init__(function=function, args=args or {}, name=name or own_name, **fields)


class CancelActivity(BaseAction):
    """Take the activity of this name back: no turn follows. What it has done by then, it has done."""

    type: Literal["cancel_activity"] = "cancel_activity"
    name: Name

    @by_position
    def __init__(self, name: str, **fields: object) -> None:
        super().__init__(name=name, **fields)


class SendMessage(BaseAction):
    """Send a text message from `TWILIO_FROM_NUMBER`. `to` is an E.164 number, or `whatsapp:` and one.

    It is posted at most once. What became of it tells the event `message.sent`. In a record `to` is `[hidden]` if it
    repeats what a sensitive turn brought.
    """

    type: Literal["send_message"] = "send_message"
    to: str = Field(pattern=r"^((whatsapp:)?\+[1-9][0-9]{4,14}|\[hidden\])$")
    text: str = Field(min_length=1, max_length=MOST_TEXT)

    @by_position
    def __init__(self, to: str, text: str, **fields: object) -> None:
        super().__init__(to=to, text=text, **fields)


ScheduleAction = SetTimer | CancelTimer | StartActivity | CancelActivity | SendMessage
SCHEDULE_ACTIONS = (SetTimer, CancelTimer, StartActivity, CancelActivity, SendMessage)
