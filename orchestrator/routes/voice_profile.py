"""`VoiceProfile`: the language, the voice and the recogniser that an agent's callers get."""

from dataclasses import dataclass, fields
from typing import Self

from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class VoiceProfile:
    """How an agent sounds and hears. None and `()` leave it to the provider.

    `language` is a BCP 47 tag, `voice` a voice of `tts_provider`, `speech_model` a model of `transcription_provider`.
    `hints` are words that the recogniser should expect. `profanity_filter` masks swear words.
    """

    language: str | None = None
    voice: str | None = None
    tts_provider: str | None = None
    transcription_provider: str | None = None
    speech_model: str | None = None
    hints: tuple[str, ...] = ()
    profanity_filter: bool | None = None

    def or_else(self, other: Self) -> "VoiceProfile":
        """Return this profile; what it leaves open is as in `other`."""
        mine = {field.name: getattr(self, field.name) for field in fields(self)}
        return VoiceProfile(**{name: getattr(other, name) if v in (None, ()) else v for name, v in mine.items()})


def environment_profile(settings: Settings) -> VoiceProfile:
    """Return the profile that the settings make: that of every agent, as far as the routes leave it open."""
    hints = [hint.strip() for hint in (settings.hints or "").split(",")]
    return VoiceProfile(
        language=settings.language,
        voice=settings.voice,
        tts_provider=settings.tts_provider,
        transcription_provider=settings.transcription_provider,
        speech_model=settings.speech_model,
        hints=tuple(filter(None, hints)),
        profanity_filter=settings.profanity_filter,
    )
