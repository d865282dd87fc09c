"""Names of text-to-speech and recognition providers, and whose voice a name means."""

from typing import NamedTuple

BASIC = ("man", "woman", "alice")
"""Voices that belong to no text-to-speech provider."""
_PREFIXES = {
    "aws.polly.": "amazon",
    "polly.": "amazon",
    "google.": "google",
    "gcloud.": "google",
    "azure.": "azure",
    "elevenlabs.": "elevenlabs",
    "telnyx.": "telnyx",
    "resemble.": "resemble",
    "minimax.": "minimax",
    "rime.": "rime",
    "inworld.": "inworld",
}
_ALIASES = {"polly": "amazon", "aws": "amazon", "gcloud": "google", "microsoft": "azure"}


class Voice(NamedTuple):
    """A voice, without the prefix that some providers put before it, and whose it is: "" if that is not known."""

    name: str
    provider: str


def provider_key(name: str | None) -> str:
    """Return a provider's name in the form in which the tables of this package have it; "" for none."""
    key = (name or "").strip().lower()
    return _ALIASES.get(key, key)


def voice_of(voice: str, tts_provider: str | None) -> Voice:
    """Return the voice that a name such as `Polly.Joanna` means. A prefix counts more than `tts_provider`."""
    found = next((prefix for prefix in _PREFIXES if voice.lower().startswith(prefix)), "")
    if found:
        return Voice(voice[len(found) :], _PREFIXES[found])
    return Voice(voice, "" if voice in BASIC else provider_key(tts_provider))
