"""`SpeechDialect`: the attributes with which one provider's documents name voices and recognisers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from xml.sax.saxutils import escape

from orchestrator.routes.voice_profile import VoiceProfile
from web.voices.names import BASIC, voice_of

MOST_HINTS = 500
LONGEST_HINT = 100
"""The limits that Twilio documents for a `<Gather>`; SignalWire documents the second one."""
HINT_BYTES = 4000
"""For the hints of a profile together, as they are escaped in XML, so that a reply of any length fits the document."""
INTEGER_SPEECH_TIMEOUT = "2"
"""Seconds of silence that end the caller's words, where `speechTimeout` must be a number."""


@dataclass(frozen=True, slots=True)
class GatherSpeech:
    """The recogniser of a `<Gather>`: `attributes` besides its language, its hints and `speech_timeout`.

    `hints` are those of the profile, and `hints_name` is the attribute for hints of any origin.
    """

    attributes: Mapping[str, str] = field(default_factory=dict)
    hints: str = ""
    hints_name: str = "hints"
    speech_timeout: str = "auto"


class LeftOut:
    """Collects what a provider's documents cannot express."""

    def __init__(self) -> None:
        self.notes: dict[str, None] = {}

    def note(self, what: str, why: str) -> None:
        """Note that `what` is left out, and why."""
        self.notes.setdefault(f"{what} ({why})")


class SpeechDialect(Protocol):
    """One provider. Each method notes what it leaves out of the profile.

    `has_relay`: its documentation has a `<ConversationRelay>`.
    """

    name: str
    has_relay: bool

    def say_voice(self, voice: str, tts_provider: str | None, left_out: LeftOut) -> str | None:
        """Return the `voice` of a `<Say>`; None to leave it to the provider."""

    def gather(self, profile: VoiceProfile, left_out: LeftOut) -> GatherSpeech:
        """Return the recogniser of a `<Gather>`."""

    def relay(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """Return the attributes of a `<ConversationRelay>` for all languages: hints and the profanity filter."""

    def relay_default(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """Return those attributes of a `<ConversationRelay>` that a `<Language>` may set for its language."""

    def relay_language(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """Return the attributes of a `<Language>` besides its code."""


def prefixed_voice(
    voice: str, tts_provider: str | None, prefixes: Mapping[str, str], left_out: LeftOut, why_not: str, where: str = ""
) -> str | None:
    """Return the `voice` of a `<Say>` at a provider that tells whose voice it is by one of `prefixes`.

    Else None, and what is left out is noted: `why_not`, in which `{provider}` stands for whose voice it is.
    """
    if voice in BASIC:
        return voice
    name, provider = voice_of(voice, tts_provider)
    if provider in prefixes:
        return prefixes[provider] + name
    why = why_not.format(provider=provider) if provider else "it needs TTS_PROVIDER"
    left_out.note(f"voice {voice}{where}", why)
    return None


def hint_list(hints: Iterable[str], left_out: LeftOut) -> str:
    """Return the hints as a comma list within the providers' limits."""
    taken: list[str] = []
    size = 0
    for hint in (" ".join(hint.split()) for hint in hints):
        size += len(f"{escape(hint)}, ".encode())
        if len(hint) > LONGEST_HINT or len(taken) >= MOST_HINTS or size > HINT_BYTES:
            limits = f"at most {MOST_HINTS} of {LONGEST_HINT} characters each and {HINT_BYTES} bytes in all"
            left_out.note("some hints", limits)
            break
        taken.append(hint)
    return ", ".join(filter(None, taken))


def as_boolean(value: bool) -> str:
    """Return `value` as a document has it."""
    return "true" if value else "false"
