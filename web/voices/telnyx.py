"""Telnyx's attributes, from its pages on the TeXML verbs Say, Gather and ConversationRelay.

A voice carries its provider's name in front (`Azure.en-US-AvaNeural`). `<Gather>` names the recogniser
(`transcriptionEngine`) and its model (`vendor/model`). Its hints for Deepgram's `nova-3` are called `keyterms`.
`<ConversationRelay>` has neither `ttsProvider` nor `speechModel`: only a `<Language>` has them.
"""

from orchestrator.routes.voice_profile import VoiceProfile
from web.voices.dialect import GatherSpeech, LeftOut, as_boolean, hint_list, prefixed_voice
from web.voices.names import provider_key, voice_of

_SAY_PREFIXES = {
    "amazon": "Polly.", "azure": "Azure.", "telnyx": "Telnyx.", "resemble": "Resemble.",
    "minimax": "Minimax.", "rime": "Rime.", "inworld": "Inworld.",
}  # fmt: skip
_ENGINES = {
    "google": "Google", "telnyx": "Telnyx", "deepgram": "Deepgram", "xai": "xAI", "assemblyai": "AssemblyAI",
    "soniox": "Soniox", "speechmatics": "Speechmatics",
}  # fmt: skip
_LANGUAGE_TTS = ("telnyx", "google", "amazon", "azure")
_LANGUAGE_RECOGNISERS = ("google", "telnyx", "deepgram")
_KEYTERM_MODELS = ("", "deepgram/nova-3")


class TelnyxSpeech:
    """See `SpeechDialect`."""

    name = "telnyx"
    has_relay = True

    def say_voice(self, voice: str, tts_provider: str | None, left_out: LeftOut) -> str | None:
        """See `SpeechDialect`."""
        why_not = "Telnyx documents no voices of {provider} that need no key"
        return prefixed_voice(voice, tts_provider, _SAY_PREFIXES, left_out, why_not)

    def gather(self, profile: VoiceProfile, left_out: LeftOut) -> GatherSpeech:
        """See `SpeechDialect`."""
        engine = self._engine(profile, left_out)
        model = self._model(profile, engine, left_out)
        attributes = {"transcriptionEngine": _ENGINES[engine]} if engine else {}
        if model:
            attributes["model"] = model
        if profile.profanity_filter is not None:
            attributes["profanityFilter"] = as_boolean(profile.profanity_filter)
        has_keyterms = engine == "deepgram" and model in _KEYTERM_MODELS
        hints_name = "keyterms" if has_keyterms else "hints"
        return GatherSpeech(attributes, hint_list(profile.hints, left_out), hints_name)

    @staticmethod
    def _engine(profile: VoiceProfile, left_out: LeftOut) -> str:
        engine = provider_key(profile.transcription_provider)
        if engine and engine not in _ENGINES:
            why = "Azure needs a region" if engine == "azure" else "Telnyx documents no such engine"
            left_out.note(f"recognition by {engine} in <Gather>", why)
            return ""
        return engine

    @staticmethod
    def _model(profile: VoiceProfile, engine: str, left_out: LeftOut) -> str:
        model = profile.speech_model or ""
        if not model:
            return ""
        if "/" in model:
            vendor = provider_key(model.partition("/")[0])
            if vendor == engine:
                return model
        elif engine == "deepgram":
            return "deepgram/" + model.removeprefix("deepgram_").removesuffix("-general")
        elif engine and engine != "google":
            return f"{engine}/{model}"
        left_out.note(f"speech model {model} in <Gather>", "Telnyx needs the model's vendor as TRANSCRIPTION_PROVIDER")
        return ""

    def relay(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """See `SpeechDialect`."""
        if profile.hints:
            left_out.note("hints on a relay", "Telnyx documents no such attribute")
        if profile.profanity_filter is not None:
            left_out.note("the profanity filter on a relay", "Telnyx documents no such attribute")
        return {}

    def relay_default(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """See `SpeechDialect`."""
        if profile.language is None and (profile.tts_provider or profile.speech_model):
            why = "Telnyx has both in <Language> alone, which needs LANGUAGE"
            left_out.note("the text-to-speech provider and the speech model on a relay", why)
        recogniser = self._relay_recogniser(profile, left_out)
        voice = self.say_voice(profile.voice, profile.tts_provider, left_out) if profile.voice else None
        return {**({"voice": voice} if voice else {}), **recogniser}

    def relay_language(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """See `SpeechDialect`."""
        found = self.relay_default(profile, left_out)
        provider = voice_of(profile.voice or "", profile.tts_provider).provider
        if provider in _LANGUAGE_TTS:
            found["ttsProvider"] = provider
        if profile.speech_model and "transcriptionProvider" in found:
            found["speechModel"] = profile.speech_model.rpartition("/")[2]
        return found

    @staticmethod
    def _relay_recogniser(profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        provider = provider_key(profile.transcription_provider)
        if provider and provider not in _LANGUAGE_RECOGNISERS:
            left_out.note(f"recognition by {provider} on a relay", "Telnyx documents google, telnyx and deepgram")
            provider = ""
        return {"transcriptionProvider": provider} if provider else {}
