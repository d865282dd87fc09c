"""The settings of the voice: how an agent sounds and hears unless the routes say otherwise for it."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LONGEST_VOICE = 200
GETTEXT_MARKS = frozenset("_:.@")
MOST_HINT_CHARACTERS = 4000
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")
VOICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/+-]*")
PROVIDER_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


def language_tag(value: str) -> str:
    """Return `value` if it is a language tag. Raise ValueError."""
    if not LANGUAGE_TAG.fullmatch(value):
        raise ValueError("must be a language tag such as en-US or sv-SE")
    return value


def voice_name(value: str) -> str:
    """Return `value` if it can be the name of a voice. Raise ValueError."""
    if len(value) > LONGEST_VOICE or not VOICE_NAME.fullmatch(value):
        raise ValueError(f"must be the name of a voice, of at most {LONGEST_VOICE} letters, digits and . _ - : / +")
    return value


def provider_name(value: str) -> str:
    """Return `value` if it can be the name of a text-to-speech or recognition provider. Raise ValueError."""
    if not PROVIDER_NAME.fullmatch(value):
        raise ValueError("must be the name of a provider such as Google, Amazon or Deepgram")
    return value


def model_name(value: str) -> str:
    """Return `value` if it can be the name of a recogniser's model. Raise ValueError."""
    if not MODEL_NAME.fullmatch(value):
        raise ValueError("must be the name of a speech model such as nova-3-general or phone_call")
    return value


def hint_text(value: str) -> str:
    """Return `value` if it is a short enough list of hints. Raise ValueError."""
    if len(value) > MOST_HINT_CHARACTERS or not value.isprintable():
        raise ValueError(f"must be words separated by commas, at most {MOST_HINT_CHARACTERS} characters")
    return value


class VoiceSettings(BaseSettings):
    """How an agent sounds and hears. `Settings` has them."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is made

    voice: Annotated[str, AfterValidator(voice_name)] | None = None
    language: Annotated[str, AfterValidator(language_tag)] | None = None
    tts_provider: Annotated[str, AfterValidator(provider_name)] | None = None
    transcription_provider: Annotated[str, AfterValidator(provider_name)] | None = None
    speech_model: Annotated[str, AfterValidator(model_name)] | None = None
    hints: Annotated[str, AfterValidator(hint_text)] | None = None
    profanity_filter: bool | None = None

    @field_validator("language", mode="before")
    @classmethod
    def _not_gettexts(cls, value: Any) -> Any:
        """Return None for a `LANGUAGE` that gettext reads (`en_US:en`, `sv`): many systems set it."""
        is_gettexts = isinstance(value, str) and ("-" not in value or not GETTEXT_MARKS.isdisjoint(value))
        return None if is_gettexts else value
