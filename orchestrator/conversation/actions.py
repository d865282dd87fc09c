"""What an agent can do besides speaking. An agent yields actions among its text.

Inline actions (`INLINE_ACTIONS`) take effect where they were yielded in the text; those of the schedule
(`SCHEDULE_ACTIONS`) with the commit of the turn; the others after the whole reply was spoken.
"""

from collections.abc import Iterable
from itertools import takewhile
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.conversation.action_base import BaseAction as _Action
from orchestrator.conversation.action_base import InlineAction as _InlineAction
from orchestrator.conversation.action_base import by_position
from orchestrator.conversation.leaving import Record, Transfer
from orchestrator.conversation.schedule_actions import (
    SCHEDULE_ACTIONS,
    CancelActivity,
    CancelTimer,
    ScheduleAction,
    SendMessage,
    SetTimer,
    StartActivity,
)

__all__ = [
    "ACTION_TYPES",
    "INLINE_ACTIONS",
    "LEAVING_ACTIONS",
    "SCHEDULE_ACTIONS",
    "Action",
    "CancelActivity",
    "CancelTimer",
    "Gather",
    "HandOff",
    "HangUp",
    "InlineAction",
    "Play",
    "Record",
    "ScheduleAction",
    "SendDigits",
    "SendMessage",
    "SetLanguage",
    "SetSpeech",
    "SetTimer",
    "SetVoice",
    "StartActivity",
    "Transfer",
    "UnknownAction",
    "hand_offs",
    "inline_actions",
    "schedule_actions",
]


class HangUp(_Action):
    """End the call once all of the reply has been spoken."""

    type: Literal["hang_up"] = "hang_up"
    reason: str = ""


class Play(_InlineAction):
    """Play an audio file. `url` is absolute. `loop` is how often it is played; 0 means until the caller interrupts.

    On a relay, `interruptible` lets the caller cut it off, and `preemptible` lets the next reply do so.
    """

    type: Literal["play"] = "play"
    url: str = Field(min_length=1)
    loop: int = Field(default=1, ge=0)
    interruptible: bool = True
    preemptible: bool = False

    @by_position
    def __init__(self, url: str, **fields: object) -> None:
        super().__init__(url=url, **fields)


class SendDigits(_InlineAction):
    """Press keys towards the caller's side: 0-9, *, #, and w for half a second of pause."""

    type: Literal["send_digits"] = "send_digits"
    digits: str = Field(pattern=r"^[0-9*#wW]+$")

    @by_position
    def __init__(self, digits: str, **fields: object) -> None:
        super().__init__(digits=digits, **fields)


class Gather(_Action):
    """Set how the caller's next turn is taken. Without it, the channel's defaults apply.

    A keyed answer ends after `num_digits` keys, or at `finish_on_key` ("" for no such key). `timeout_seconds` is how
    long to wait for the caller to begin. `hints` are words that the recogniser should expect. What a `sensitive` one
    asks for is seen by the agent and kept nowhere (`orchestrator.conversation.sensitive`).
    """

    type: Literal["gather"] = "gather"
    input: Literal["speech", "keys", "both"] = "both"
    num_digits: int | None = Field(default=None, ge=1)
    finish_on_key: str = "#"
    timeout_seconds: int = Field(default=5, ge=1, le=60)
    hints: tuple[str, ...] = ()
    language: str | None = None
    sensitive: bool = Field(default=False, exclude_if=lambda sensitive: not sensitive)


class SetLanguage(_InlineAction):
    """Use another language for speech and recognition from here on (BCP 47, such as `sv-SE`)."""

    type: Literal["set_language"] = "set_language"
    speech: str | None = None
    recognition: str | None = None


class SetSpeech(_InlineAction):
    """Set how the rest of this reply is spoken. `SetSpeech()` restores the defaults.

    `interruptible` lets the caller cut it off. On a relay, `preemptible` lets the next reply cut it off. `language`
    (BCP 47) is the language of this text alone: the call's language stays.
    """

    type: Literal["set_speech"] = "set_speech"
    interruptible: bool = True
    preemptible: bool = False
    language: str | None = None


class SetVoice(_InlineAction):
    """Speak with another voice from here on. `tts_provider` is whose voice it is, if that changes too."""

    type: Literal["set_voice"] = "set_voice"
    voice: str = Field(min_length=1, max_length=200)
    tts_provider: str | None = None

    @by_position
    def __init__(self, voice: str, **fields: object) -> None:
        super().__init__(voice=voice, **fields)


class HandOff(_InlineAction):
    """Give the call to another agent of the routes, which goes on in the same turn: the caller hears one reply.

    `note` tells it what it needs to know: it is the `text` of its turn of kind `handed_off`. With `history="none"` it
    does not see the turns before.
    """

    type: Literal["hand_off"] = "hand_off"
    agent: str = Field(min_length=1, max_length=100)
    note: str = Field(default="", max_length=4000)
    history: Literal["all", "none"] = "all"

    @by_position
    def __init__(self, agent: str, **fields: object) -> None:
        super().__init__(agent=agent, **fields)


class UnknownAction(_Action):
    """An action that a newer version of the program wrote. This version keeps it as it is and does not carry it out."""

    type: str


InlineAction = Play | SendDigits | SetLanguage | SetSpeech | SetVoice | HandOff
_KnownAction = Annotated[
    HangUp | Transfer | Record | Gather | InlineAction | ScheduleAction, Field(discriminator="type")
]
Action = Annotated[_KnownAction | UnknownAction, Field(union_mode="left_to_right")]
INLINE_ACTIONS = (Play, SendDigits, SetLanguage, SetSpeech, SetVoice, HandOff)
LEAVING_ACTIONS = (HangUp, Transfer, Record)
"""Those with which a reply ends. Of several in one reply, the first is carried out."""
ACTION_TYPES = (HangUp, Transfer, Record, Gather, *INLINE_ACTIONS, *SCHEDULE_ACTIONS)


def hand_offs(actions: Iterable[Action]) -> list[HandOff]:
    """Return where the call was handed on."""
    return [action for action in actions if isinstance(action, HandOff)]


def inline_actions(actions: Iterable[Action]) -> list[InlineAction]:
    """Return the inline actions that take effect: those before the reply hangs up, transfers or records."""
    staying = takewhile(lambda action: not isinstance(action, LEAVING_ACTIONS), actions)
    return [action for action in staying if isinstance(action, INLINE_ACTIONS)]


def schedule_actions(actions: Iterable[Action]) -> list[ScheduleAction]:
    """Return what is to happen later or elsewhere."""
    return [action for action in actions if isinstance(action, SCHEDULE_ACTIONS)]
