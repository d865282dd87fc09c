"""SignalWire's attributes, from its pages on the cXML verbs Say and Gather.

A model of `<Gather>` has an effect only with `enhanced`, which SignalWire charges for. It documents no
`<ConversationRelay>`.
"""

from orchestrator.routes.voice_profile import VoiceProfile
from web.voices.dialect import INTEGER_SPEECH_TIMEOUT, GatherSpeech, LeftOut, as_boolean, hint_list, prefixed_voice

_SAY_PREFIXES = {"amazon": "Polly.", "google": "gcloud."}
_MODELS = ("default", "phone_call", "video")


class SignalWireSpeech:
    """See `SpeechDialect`."""

    name = "signalwire"
    has_relay = False

    def say_voice(self, voice: str, tts_provider: str | None, left_out: LeftOut) -> str | None:
        """See `SpeechDialect`."""
        why_not = "SignalWire has voices of Amazon and Google"
        return prefixed_voice(voice, tts_provider, _SAY_PREFIXES, left_out, why_not)

    def gather(self, profile: VoiceProfile, left_out: LeftOut) -> GatherSpeech:
        """See `SpeechDialect`."""
        if profile.transcription_provider:
            left_out.note("the transcription provider", "SignalWire has no such attribute")
        model = profile.speech_model
        if model and model not in _MODELS:
            left_out.note(f"speech model {model}", f"SignalWire has {', '.join(_MODELS)}")
            model = None
        attributes = {"enhanced": "true", "speechModel": model} if model else {}
        if profile.profanity_filter is not None:
            attributes["profanityFilter"] = as_boolean(profile.profanity_filter)
        hints = hint_list(profile.hints, left_out)
        return GatherSpeech(attributes, hints, speech_timeout=INTEGER_SPEECH_TIMEOUT if model else "auto")

    def relay(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """See `SpeechDialect`."""
        if profile != VoiceProfile():
            left_out.note("voice, language and recogniser on a relay", "SignalWire documents no <ConversationRelay>")
        return {}

    def relay_default(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """See `SpeechDialect`."""
        return {}

    def relay_language(self, profile: VoiceProfile, left_out: LeftOut) -> dict[str, str]:
        """See `SpeechDialect`."""
        return {}
