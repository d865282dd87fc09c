"""Who has a call, how it sounds and hears, and whether its caller's next words are sensitive: in the query of the next
action's URL, so that any ingress knows it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from orchestrator.conversation.actions import Action, HandOff, SetLanguage, SetVoice
from orchestrator.conversation.sensitive import asks_for_sensitive
from orchestrator.settings.voice_settings import LANGUAGE_TAG, LONGEST_VOICE, PROVIDER_NAME, VOICE_NAME
from web.voices.dialect import GatherSpeech
from web.voices.provider_voices import NO_VOICES, ProviderVoices, Spoken

LONGEST_AGENT = 100
SENSITIVE = "sensitive"
CONTINUE = "continue"
"""In the query of a turn's URL: the provider comes because it was sent here, not because the caller was silent."""


@dataclass(frozen=True)
class Languages:
    """The languages of speech and of recognition (BCP 47 tags), as changed during the call; None is the agent's own.

    `agent` is the name, in the routes, of the agent that has the call; None is the one that `AGENT` names. `voice` and
    `tts_provider` are what `SetVoice` has chosen; None is the agent's own. `voices` are those of the agents at the
    call's provider. `sensitive`: the next words or keys of the caller are (`orchestrator.conversation.sensitive`).
    """

    speech: str | None = None
    recognition: str | None = None
    agent: str | None = None
    voice: str | None = None
    tts_provider: str | None = None
    sensitive: bool = False
    voices: ProviderVoices = field(default=NO_VOICES, compare=False, repr=False)

    @classmethod
    def of(cls, query: Mapping[str, str], voices: ProviderVoices = NO_VOICES) -> "Languages":
        """Return what an earlier answer put into the URL."""
        if not query:
            return cls(voices=voices)
        voice = _voice(query.get("voice"))
        return cls(
            speech=_tag(query.get("speech")),
            recognition=_tag(query.get("recognition")),
            agent=_name(query.get("agent")),
            voice=voice,
            tts_provider=_provider(query.get("tts")) if voice else None,
            sensitive=query.get(SENSITIVE) == "1",
            voices=voices,
        )

    @property
    def spoken(self) -> Spoken:
        """The language and the voice of what is said."""
        return self.voices.spoken(self.agent, self.speech, self.voice, self.tts_provider)

    def heard(self, language: str | None = None) -> GatherSpeech:
        """Return the recogniser of what the caller says in `language` (None: that of the call)."""
        return self.voices.gather(self.agent, language or self.recognition)

    @property
    def recognised(self) -> str | None:
        """The language in which the caller is heard; None for the provider's default."""
        return self.recognition or self.voices.profile(self.agent).language

    def changed_by(self, action: SetLanguage | SetVoice | HandOff) -> "Languages":
        """Return what holds after `action`.

        Another language ends a voice that was chosen for the one before. After a hand-off the second agent's own
        voice and language hold; if it has no language of its own, the call's stays.
        """
        match action:
            case HandOff():
                return self._given_to(action.agent)
            case SetVoice():
                voice = _voice(action.voice)
                provider = _provider(action.tts_provider) or self.tts_provider
                return replace(self, voice=voice, tts_provider=provider) if voice else self
        speech, recognition = _tag(action.speech) or self.speech, _tag(action.recognition) or self.recognition
        changed = replace(self, speech=speech, recognition=recognition)
        is_other = changed.language.lower() != self.language.lower()
        return replace(changed, voice=None, tts_provider=None) if self.voice and is_other else changed

    def after(self, actions: Iterable[Action]) -> "Languages":
        """Return what holds after those of `actions` that change it."""
        changed = self
        for action in actions:
            if isinstance(action, SetLanguage | SetVoice | HandOff):
                changed = changed.changed_by(action)
        return changed

    def asking(self, actions: Iterable[Action]) -> "Languages":
        """Return what holds for the answer to a reply with these actions: sensitive if they ask for that."""
        return replace(self, sensitive=True) if asks_for_sensitive(actions) else self

    @property
    def language(self) -> str:
        """The language of what is said, also where it is the provider's default."""
        return self.speech or self.voices.language(self.agent)

    def of_agent(self, name: str) -> "Languages":
        """Return these languages for a call that the agent of this name has."""
        return replace(self, agent=_name(name))

    def _given_to(self, name: str) -> "Languages":
        given = replace(self, agent=_name(name), voice=None, tts_provider=None)
        return replace(given, speech=None, recognition=None) if self.voices.profile(name).language else given

    def turn_path(self, number: int, **query: Any) -> str:
        """Return the path to which the provider posts the turn with this number."""
        return self.path(f"/twilio/turn/{number}", **query)

    def continue_path(self, number: int) -> str:
        """Return the path at which the provider gets what the caller has not heard, as the turn with this number."""
        return self.turn_path(number, **{CONTINUE: 1})

    def wait_path(self, number: int, **query: Any) -> str:
        """Return the path at which the provider waits for the reply to that turn."""
        return self.path(f"/twilio/turn/{number}/wait", **query)

    def path(self, path: str, **query: Any) -> str:
        """Return `path` with `query`, and with what `of` reads."""
        fields = {
            **query,
            "speech": self.speech,
            "recognition": self.recognition,
            "agent": self.agent,
            "voice": self.voice,
            "tts": self.tts_provider,
            SENSITIVE: 1 if self.sensitive else None,
        }
        text = urlencode({name: value for name, value in fields.items() if value is not None})
        return f"{path}?{text}" if text else path


def _tag(text: str | None) -> str | None:
    return text if text and LANGUAGE_TAG.fullmatch(text) else None


def _name(text: str | None) -> str | None:
    return text if text and len(text) <= LONGEST_AGENT and text.isprintable() else None


def _voice(text: str | None) -> str | None:
    return text if text and len(text) <= LONGEST_VOICE and VOICE_NAME.fullmatch(text) else None


def _provider(text: str | None) -> str | None:
    return text if text and PROVIDER_NAME.fullmatch(text) else None
