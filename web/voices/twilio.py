"""Twilio's attributes, from its pages on `<Say>`, `<Gather>` and `<ConversationRelay>` and from its Python library.

`<Gather>` has no attribute for the recogniser: its name stands before the model's (`deepgram_nova-3-general`). With a
model `speechTimeout` must be a number (warning 13335).
"""

from orchestrator.routes.voice_profile import VoiceProfile
from web.voices.dialect import INTEGER_SPEECH_TIMEOUT, GatherSpeech, LeftOut, as_boolean, hint_list, prefixed_voice
from web.voices.names import BASIC, provider_key, voice_of

_SAY_PREFIXES = {"amazon": "Polly.", "google": "Google."}
_TTS = {"amazon": "Amazon", "google": "Google", "elevenlabs": "ElevenLabs"}
_RECOGNISERS = {"google": "Google", "deepgram": "Deepgram"}
_MODEL_PREFIXES = {"google": "googlev2_", "deepgram": "deepgram_"}
_GENERIC_MODELS = (
    "default",
    "numbers_and_commands",
    "phone_call",
    "experimental_conversations",
    "experimental_utterances",
)


class TwilioSpeech:
    """See `SpeechDialect`."""

    name = "twilio"
    has_relay = True

    def say_voice(self, voice: str, tts_provider: str | None, left_out: LeftOut) -> str | None:
        """See `SpeechDialect`."""
        why_not = "<Say> has voices of Amazon and Google"
        return prefixed_voice(voice, tts_provider, _SAY_PREFIXES, left_out, why_not, " in <Say>")

    def gather(self, profile: VoiceProfile, left_out: LeftOut) -> GatherSpeech:
        """See `SpeechDialect`."""
        attributes = {}
        if profile.profanity_filter is not None:
            attributes["profanityFilter"] = as_boolean(profile.profanity_filter)
        if model := self._gather_model(profile, left_out):
            attributes["speechModel"] = model
        hints = hint_list(profile.hints, left_out)
        return GatherSpeech(attributes, hints, speech_timeout=INTEGER_SPEECH_TIMEOUT if model else "auto")

    @staticmethod
    def _gather_model(profile: VoiceProfile, left_out: LeftOut) -> str:
        model, provider = profile.speech_model or "", provider_key(profile.transcription_provider)
        if not model:
            if provider:
                left_out.note(f"transcription provider {provider} in <Gather>", "it needs SPEECH_MODEL")
            return ""
        if model in _GENERIC_MODELS or model.startswith(tuple(_MODEL_PREFIXES.values())):
            return model
        if provider in _MODEL_PREFIXES:
            return _MODEL_PREFIXES[provider] + model
        why = "<Gather> has models of Google and Deepgram" if provider else "it needs TRANSCRIPTION_PROVIDER"
        left_out.note(f"speech model {model} in <Gather>", why)
        return ""

    def relay(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """See `SpeechDialect`."""
        found = {"hints": hint_list(profile.hints, left_out)}
        if profile.profanity_filter is not None:
            found["profanityFilter"] = as_boolean(profile.profanity_filter)
        return {name: value for name, value in found.items() if value}

    def relay_default(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """See `SpeechDialect`."""
        return self.relay_language(profile, left_out)

    def relay_language(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """See `SpeechDialect`."""
        found = {**self._relay_voice(profile, left_out), **self._relay_recogniser(profile, left_out)}
        return {name: value for name, value in found.items() if value}

    @staticmethod
    def _relay_voice(profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        name, provider = voice_of(profile.voice or "", profile.tts_provider)
        if name in BASIC:
            left_out.note(f"voice {name} on a relay", "it is a voice of <Say>")
            name = ""
        if provider and provider not in _TTS:
            left_out.note(f"text-to-speech of {provider} on a relay", "a relay has Google, Amazon and ElevenLabs")
            return {}
        return {"ttsProvider": _TTS.get(provider, ""), "voice": name}

    @staticmethod
    def _relay_recogniser(profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        model, provider = profile.speech_model or "", provider_key(profile.transcription_provider)
        for key, prefix in _MODEL_PREFIXES.items():
            if model.startswith(prefix):
                model, provider = model.removeprefix(prefix), provider or key
        if model in _GENERIC_MODELS:
            left_out.note(f"speech model {model} on a relay", "it is a model of <Gather>")
            model = ""
        if provider and provider not in _RECOGNISERS:
            left_out.note(f"recognition by {provider} on a relay", "a relay has Google and Deepgram")
            return {}
        return {"transcriptionProvider": _RECOGNISERS.get(provider, ""), "speechModel": model}
