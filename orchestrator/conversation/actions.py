"""What an agent can do besides speaking. An agent yields these among its text; the channel carries them out.

Inline actions (`INLINE_ACTIONS`) are carried out where they were yielded in the text; the others once all of the reply
was spoken.
"""

from collections.abc import Iterable
from itertools import takewhile
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Action(BaseModel):
    # An older process must be able to read, keep and pass on what a newer one wrote.
    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)


class _InlineAction(_Action):
    """Carried out amid the text. `at` is set by the program: the number of characters of the reply's text before it;
    None is after all of it."""

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
    """Play an audio file. `url` is absolute; `loop` counts plays, 0 means until interrupted.

    On a relay, `interruptible` lets the caller cut it off, `preemptible` what is said next.
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
    """How the next turn is taken; without it, the channel's defaults hold.

    `num_digits` ends a keyed answer by count, `finish_on_key` by key ("" = no such key); `timeout_seconds` is how
    long to wait for the caller to begin, `hints` are words the recogniser should expect.
    """

    type: Literal["gather"] = "gather"
    input: Literal["speech", "keys", "both"] = "both"
    num_digits: int | None = Field(default=None, ge=1)
    finish_on_key: str = "#"
    timeout_seconds: int = Field(default=5, ge=1, le=60)
    hints: tuple[str, ...] = ()
    language: str | None = None


class SetLanguage(_InlineAction):
    """Speak, and understand, another language from here on (BCP 47, such as `sv-SE`)."""

    type: Literal["set_language"] = "set_language"
    speech: str | None = None
    recognition: str | None = None


class SetSpeech(_InlineAction):
    """How what follows in this reply is spoken; `SetSpeech()` goes back to how it is spoken without.

    `interruptible` lets the caller cut it off. On a relay, `preemptible` lets what is said next cut it off.
    `language` is spoken (BCP 47) without being what the call goes on in.
    """

    type: Literal["set_speech"] = "set_speech"
    interruptible: bool = True
    preemptible: bool = False
    language: str | None = None


class UnknownAction(_Action):
    """An action that a newer version of the program wrote: kept as it is, carried out by nobody here."""

    type: str


InlineAction = Play | SendDigits | SetLanguage | SetSpeech
_KnownAction = Annotated[HangUp | Transfer | Gather | InlineAction, Field(discriminator="type")]
Action = Annotated[_KnownAction | UnknownAction, Field(union_mode="left_to_right")]
INLINE_ACTIONS = (Play, SendDigits, SetLanguage, SetSpeech)
ACTION_TYPES = (HangUp, Transfer, Play, SendDigits, Gather, SetLanguage, SetSpeech)


def inline_actions(actions: Iterable[Action]) -> list[InlineAction]:
    """What is carried out amid the text: nothing is after the call was left."""
    staying = takewhile(lambda action: not isinstance(action, HangUp | Transfer), actions)
    return [action for action in staying if isinstance(action, INLINE_ACTIONS)]
