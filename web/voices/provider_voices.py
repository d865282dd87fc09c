"""`ProviderVoices`: the attributes of every agent's language, voice and recogniser, at one provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from orchestrator.routes.voice_profile import VoiceProfile
from web.voices.dialect import GatherSpeech, LeftOut, SpeechDialect
from web.voices.twilio import TwilioSpeech

DEFAULT_LANGUAGE = "en-US"
"""What every provider's documentation says holds without a `language`."""
MOST_CACHED = 1024


@dataclass(frozen=True, slots=True)
class Spoken:
    """The attributes of a `<Say>`; None leaves one out."""

    language: str | None = None
    voice: str | None = None


@dataclass(frozen=True, slots=True)
class RelaySpeech:
    """The attributes of a `<ConversationRelay>`, and those of its `<Language>`s by code."""

    attributes: Mapping[str, str]
    languages: Mapping[str, Mapping[str, str]]


class ProviderVoices:
    """The voices of all agents at one provider. `profiles` has them by the agent's name; "" is the agent of `AGENT`.

    An agent that changes the language of its call keeps its voice and its recogniser if they are for that language.
    Otherwise it gets those of the first agent that has this language, or else the provider's own.
    """

    def __init__(self, dialect: SpeechDialect, profiles: Mapping[str, VoiceProfile]) -> None:
        self._dialect = dialect
        self._profiles = dict(profiles)
        self._nobody = self._profiles.setdefault("", VoiceProfile())
        self.spoken = lru_cache(MOST_CACHED)(self._spoken)
        self.gather = lru_cache(MOST_CACHED)(self._gather)

    def profile(self, agent: str | None) -> VoiceProfile:
        """Return the profile of the agent of this name, or that of `AGENT`."""
        return self._profiles.get(agent or "", self._nobody)

    def language(self, agent: str | None) -> str:
        """Return the language that this agent speaks if nothing has changed it."""
        return self.profile(agent).language or DEFAULT_LANGUAGE

    def _spoken(self, agent: str | None, language: str | None, voice: str | None, tts_provider: str | None) -> Spoken:
        """Return the attributes of what `agent` says in `language` (None: its own), with `voice` (None: its own)."""
        own = self.profile(agent)
        profile = self._in_language(own, language)
        name, provider = (voice, tts_provider or own.tts_provider) if voice else (profile.voice, profile.tts_provider)
        said = self._dialect.say_voice(name, provider, LeftOut()) if name else None
        return Spoken(language or own.language, said)

    def _gather(self, agent: str | None, language: str | None) -> GatherSpeech:
        """Return how `agent` hears a caller who speaks `language` (None: its own)."""
        return self._dialect.gather(self._recogniser(self.profile(agent), language), LeftOut())

    def relay(self, agent: str | None) -> RelaySpeech:
        """Return how `agent` speaks and hears on a relay, and each language to which the call may change.

        A `<Language>` gets from the `<ConversationRelay>` whatever it does not have itself. So an attribute that is
        missing in one of them stands in the others alone.
        """
        if not self._dialect.has_relay:
            return RelaySpeech({}, {})
        own, left_out = self.profile(agent), LeftOut()
        attributes, default = self._dialect.relay(own, left_out), self._dialect.relay_default(own, left_out)
        languages = self._relay_languages(own, default, left_out)
        shared = {name: v for name, v in default.items() if all(name in of_one for of_one in languages.values())}
        named = {"language": own.language} if own.language else {}
        return RelaySpeech({**named, **attributes, **shared}, languages)

    def is_heard_on_relay(self, session: str | None, agent: str | None, language: str) -> bool:
        """True if `agent` is heard with its own voice, in `language`, in a session that began with agent `session`."""
        own, first = self.profile(agent), self.profile(session)
        if own is first or not self._dialect.has_relay:
            return True
        wanted = self._dialect.relay_language(self._in_language(own, language), LeftOut())
        relay = self.relay(session)
        declared = next((of for code, of in relay.languages.items() if _is_same(code, language)), relay.attributes)
        return all(wanted.get(name) == declared.get(name) for name in ("ttsProvider", "voice"))

    def _relay_languages(
        self, own: VoiceProfile, default: Mapping[str, str], left_out: LeftOut
    ) -> dict[str, dict[str, str]]:
        own_code = own.language or DEFAULT_LANGUAGE
        languages = {own_code: self._dialect.relay_language(own, left_out)}
        for profile in sorted(self._profiles.values(), key=lambda profile: profile.language is None):
            code = profile.language or DEFAULT_LANGUAGE
            if not any(_is_same(code, known) for known in languages):
                languages[code] = self._dialect.relay_language(profile, left_out)
        return {} if len(languages) == 1 and languages[own_code] == default else languages

    def _in_language(self, own: VoiceProfile, language: str | None) -> VoiceProfile:
        """Return the profile whose voice and recogniser are for `language`."""
        if language is None or _is_same(own.language or DEFAULT_LANGUAGE, language):
            return own
        spoken = (p for p in self._profiles.values() if p.language and _is_same(p.language, language))
        return next(spoken, VoiceProfile(language=language))

    def _recogniser(self, own: VoiceProfile, language: str | None) -> VoiceProfile:
        """Return `own` with the recogniser for `language`."""
        found = self._in_language(own, language)
        return VoiceProfile(
            transcription_provider=found.transcription_provider,
            speech_model=found.speech_model,
            hints=own.hints,
            profanity_filter=own.profanity_filter,
        )

    def left_out(self, channel_of: Mapping[str, str]) -> list[str]:
        """Return what this provider's documents cannot express of the profiles.

        `channel_of` has the agents' channels.
        """
        left_out = LeftOut()
        for name, profile in self._profiles.items():
            self._note_left_out(profile, channel_of.get(name, "gather"), left_out)
        return list(left_out.notes)

    def _note_left_out(self, profile: VoiceProfile, channel: str, left_out: LeftOut) -> None:
        if channel == "relay":
            self._dialect.relay(profile, left_out)
            self._dialect.relay_default(profile, left_out)
            self._dialect.relay_language(profile, left_out)
            return
        self._dialect.gather(profile, left_out)
        if profile.voice:
            self._dialect.say_voice(profile.voice, profile.tts_provider, left_out)
        elif profile.tts_provider:
            left_out.note(f"text-to-speech of {profile.tts_provider} in <Say>", "it needs VOICE")


def _is_same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


NO_VOICES = ProviderVoices(TwilioSpeech(), {})
"""What holds without any voice in the settings and routes."""
