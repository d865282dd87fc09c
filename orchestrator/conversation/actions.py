"""What an agent can do besides speaking. An agent yields actions among its text; the channel carries them out.

Inline actions (`INLINE_ACTIONS`) take effect where they were yielded in the text, the others after the whole reply was
spoken.
"""

from collections.abc import Iterable
from itertools import takewhile
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Action(BaseModel):
    # An older process must be able to read, keep and pass on what a newer one wrote.
    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)


class _InlineAction(_Action):
    """Takes effect within the text. The program sets `at`: the number of characters of the reply's text before the
    action, or None for after the whole text.
    """

    at: int | None = Field(default=None, ge=0, exclude_if=lambda at: at is None)


class HangUp(_Action):
    """End the call once all of the reply has been spoken."""

    type: Literal["hang_up"] = "hang_up"
    reason: str = ""


class Transfer(_Action):
    """Connect the caller with a person. `to` is an E.164 number, a `sip:` address or `client:name`."""

    type: Literal["transfer"] = "transfer"
    to: str = Field(min_length=1)
    reason: str = ""

    def __init__(self, to: str, **fields: object) -> None:  # Transfer("+15551234567") reads better
        super().__init__(to=to, **fields)


class Play(_InlineAction):
    """Play an audio file. `url` is absolute. `loop` is how often it is played; 0 means until the caller interrupts.

    On a relay, `interruptible` lets the caller cut it off, and `preemptible` lets the next reply do so.
    """

    type: Literal["play"] = "play"
    url: str = Field(min_length=1)
    loop: int = Field(default=1, ge=0)
    interruptible: bool = True
    preemptible: bool = False

    def __init__(self, url: str, **fields: object) -> None:
        super().__init__(url=url, **fields)


class SendDigits(_InlineAction):
    """Press keys towards the caller's side: 0-9, *, #, and w for half a second of pause."""

    type: Literal["send_digits"] = "send_digits"
    digits: str = Field(pattern=r"^[0-9*#wW]+$")

    def __init__(self, digits: str, **fields: object) -> None:
        super().__init__(digits=digits, **fields)


class Gather(_Action):
    """Set how the caller's next turn is taken. Without it, the channel's defaults apply.

    A keyed answer ends after `num_digits` keys, or at `finish_on_key` ("" for no such key). `timeout_seconds` is how
    long to wait for the caller to begin. `hints` are words that the recogniser should expect.
    """

    type: Literal["gather"] = "gather"
    input: Literal["speech", "keys", "both"] = "both"
    num_digits: int | None = Field(default=None, ge=1)
    finish_on_key: str = "#"
    timeout_seconds: int = Field(default=5, ge=1, le=60)
    hints: tuple[str, ...] = ()
    language: str | None = None


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

    def __init__(self, agent: str, **fields: object) -> None:
        super().__init__(agent=agent, **fields)


class UnknownAction(_Action):
    """An action that a newer version of the program wrote. This version keeps it as it is and does not carry it out."""

    type: str


InlineAction = Play | SendDigits | SetLanguage | SetSpeech | SetVoice | HandOff
_KnownAction = Annotated[HangUp | Transfer | Gather | InlineAction, Field(discriminator="type")]
Action = Annotated[_KnownAction | UnknownAction, Field(union_mode="left_to_right")]
INLINE_ACTIONS = (Play, SendDigits, SetLanguage, SetSpeech, SetVoice, HandOff)
ACTION_TYPES = (HangUp, Transfer, Gather, *INLINE_ACTIONS)


def hand_offs(actions: Iterable[Action]) -> list[HandOff]:
    """Return where the call was handed on."""
    return [action for action in actions if isinstance(action, HandOff)]


def inline_actions(actions: Iterable[Action]) -> list[InlineAction]:
    """Return the inline actions that take effect: those before the reply hangs up or transfers."""
    staying = takewhile(lambda action: not isinstance(action, HangUp | Transfer), actions)
    return [action for action in staying if isinstance(action, INLINE_ACTIONS)]
