"""Voices, languages and recognisers in a document, read as Twilio documents them, and refused where it refuses them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from orchestrator.provider_simulator.bad_twiml import BadTwiml

MOST_HINTS = 500
LONGEST_HINT = 100
RELAY_TTS = ("google", "amazon", "elevenlabs")
RELAY_RECOGNISERS = ("google", "deepgram")
LANGUAGE_ATTRIBUTES = ("code", "ttsProvider", "voice", "transcriptionProvider", "speechModel")
RELAY_ATTRIBUTES = (
    "url", "welcomeGreeting", "welcomeGreetingInterruptible", "language", "ttsLanguage", "transcriptionLanguage",
    "ttsProvider", "voice", "transcriptionProvider", "speechModel", "profanityFilter", "interruptible", "preemptible",
    "dtmfDetection", "reportInputDuringAgentSpeech", "interruptSensitivity", "hints", "debug", "events",
    "partialPrompts", "intelligenceService", "applicationReconnect",
)  # fmt: skip
_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}|multi")
_SAY_VOICE = re.compile(r"man|woman|alice|(Polly|Google)\.[A-Za-z0-9._-]+")
_GATHER_MODEL = re.compile(
    r"default|numbers_and_commands|phone_call|experimental_(conversations|utterances)|(googlev2|deepgram)_[a-z0-9.-]+"
)


@dataclass(frozen=True, slots=True)
class Recogniser:
    """How a `<Gather>` hears. "" and () are what the provider does by itself."""

    language: str = ""
    hints: tuple[str, ...] = ()
    speech_model: str = ""
    profanity_filter: bool = True
    speech_timeout: str = ""


@dataclass(frozen=True, slots=True)
class RelayVoices:
    """How a `<ConversationRelay>` speaks and hears: its own attributes, and those of each `<Language>` by its code."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    languages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def language(self) -> str:
        """The language in which the session begins; "" is the provider's default."""
        return self.attributes.get("ttsLanguage") or self.attributes.get("language", "")

    def voice(self, language: str) -> str:
        """Return the voice of this language; a `<Language>` takes from the relay what it does not say itself."""
        of_language = self.languages.get(language or "en-US", {})
        return of_language.get("voice") or self.attributes.get("voice", "")


def say_voice(element: Element) -> str:
    """Return the voice of a `<Say>`. Raise `BadTwiml`."""
    language, voice = element.get("language"), element.get("voice")
    if language is not None:
        _check(element, "language", _TAG, "a language tag such as en-US")
    if voice is not None:
        _check(element, "voice", _SAY_VOICE, "man, woman, alice, Polly.… or Google.…")
    return voice or ""


def recogniser(element: Element) -> Recogniser:
    """Return the recogniser of a `<Gather>`. Raise `BadTwiml`."""
    if element.get("speechModel") is not None:
        _check(element, "speechModel", _GATHER_MODEL, "a model of <Gather> such as deepgram_nova-3")
    timeout = element.get("speechTimeout", "")
    if timeout not in ("", "auto") and not (timeout.isascii() and timeout.isdecimal() and int(timeout[:9]) > 0):
        raise BadTwiml(f'<Gather speechTimeout="{timeout}">: it is a whole number of 1 or more, or auto.')
    if timeout == "auto" and element.get("speechModel") is not None:
        raise BadTwiml("<Gather speechModel>: with it speechTimeout must be a whole number (warning 13335).")
    return Recogniser(
        language=element.get("language", ""),
        hints=_hints(element),
        speech_model=element.get("speechModel", ""),
        profanity_filter=_boolean(element, "profanityFilter", default=True),
        speech_timeout=timeout,
    )


def relay_voices(element: Element) -> RelayVoices:
    """Return how a `<ConversationRelay>` speaks and hears. Raise `BadTwiml`."""
    _check_known(element, RELAY_ATTRIBUTES)
    _check_relay_values(element)
    _hints(element)
    _boolean(element, "profanityFilter", default=True)
    languages: dict[str, dict[str, str]] = {}
    for child in element.findall("Language"):
        _check_known(child, LANGUAGE_ATTRIBUTES)
        _check(child, "code", _TAG, "a language tag such as en-US")
        _check_relay_values(child)
        code = child.get("code", "")
        if code in languages:
            raise BadTwiml(f'<Language code="{code}">: the language is there twice.')
        languages[code] = {name: value for name, value in child.attrib.items() if name != "code"}
    return RelayVoices(dict(element.attrib), languages)


def _check_known(element: Element, known: tuple[str, ...]) -> None:
    for name, value in element.attrib.items():
        if name not in known:
            raise BadTwiml(f"<{element.tag} {name}>: the provider documents no such attribute.")
        if not value:
            raise BadTwiml(f"<{element.tag} {name}>: it is empty, which fails the call (error 64101).")


def _check_relay_values(element: Element) -> None:
    for name, known in (("ttsProvider", RELAY_TTS), ("transcriptionProvider", RELAY_RECOGNISERS)):
        value = element.get(name)
        if value is not None and value.lower() not in known:
            raise BadTwiml(f'<{element.tag} {name}="{value}">: it must be one of {", ".join(known)} (error 64101).')
    for name in ("language", "ttsLanguage", "transcriptionLanguage"):
        if element.get(name) is not None:
            _check(element, name, _TAG, "a language tag such as en-US")


def _check(element: Element, name: str, pattern: re.Pattern[str], what: str) -> None:
    value = element.get(name, "")
    if not pattern.fullmatch(value):
        raise BadTwiml(f'<{element.tag} {name}="{value}">: it must be {what}.')


def _hints(element: Element) -> tuple[str, ...]:
    hints = tuple(hint.strip() for hint in element.get("hints", "").split(",") if hint.strip())
    if len(hints) > MOST_HINTS or any(len(hint) > LONGEST_HINT for hint in hints):
        raise BadTwiml(f"<{element.tag} hints>: at most {MOST_HINTS} of {LONGEST_HINT} characters each.")
    return hints


def _boolean(element: Element, name: str, *, default: bool) -> bool:
    value = element.get(name, "true" if default else "false").lower()
    if value not in ("true", "false"):
        raise BadTwiml(f'<{element.tag} {name}="{value}">: it must be true or false.')
    return value == "true"
