"""A profile in the attributes of each provider, and what is left out because the provider does not document it."""

import pytest
from twilio.twiml.voice_response import Gather, Say

from orchestrator.routes.voice_profile import VoiceProfile
from web.voices.dialect import HINT_BYTES, LONGEST_HINT, MOST_HINTS, LeftOut, hint_list
from web.voices.signalwire import SignalWireSpeech
from web.voices.telnyx import TelnyxSpeech
from web.voices.twilio import TwilioSpeech

FULL = VoiceProfile(
    language="en-US",
    voice="en-US-Chirp3-HD-Aoede",
    tts_provider="Google",
    transcription_provider="Deepgram",
    speech_model="nova-3-general",
    hints=("appointment", "check-up"),
    profanity_filter=False,
)
AMAZON = VoiceProfile(voice="Joanna-Neural", tts_provider="amazon")
DIALECTS = [TwilioSpeech(), TelnyxSpeech(), SignalWireSpeech()]


@pytest.mark.parametrize(
    ("dialect", "voice", "tts_provider", "said"),
    [
        (TwilioSpeech(), "en-US-Chirp3-HD-Aoede", "Google", "Google.en-US-Chirp3-HD-Aoede"),
        (TwilioSpeech(), "Joanna-Neural", "AMAZON", "Polly.Joanna-Neural"),
        (TwilioSpeech(), "Polly.Joanna", None, "Polly.Joanna"),
        (TwilioSpeech(), "Polly.Joanna", "Google", "Polly.Joanna"),
        (TwilioSpeech(), "woman", "Google", "woman"),
        (TwilioSpeech(), "UgBBYS2sOqTuMpoF3BR0", "ElevenLabs", None),
        (TwilioSpeech(), "Joanna", None, None),
        (TelnyxSpeech(), "Joanna-Neural", "Amazon", "Polly.Joanna-Neural"),
        (TelnyxSpeech(), "NaturalHD.astra", "telnyx", "Telnyx.NaturalHD.astra"),
        (TelnyxSpeech(), "Telnyx.NaturalHD.astra", None, "Telnyx.NaturalHD.astra"),
        (TelnyxSpeech(), "en-US-Chirp3-HD-Aoede", "Google", None),
        (TelnyxSpeech(), "v3.Adam", "ElevenLabs", None),
        (SignalWireSpeech(), "en-US-Standard-A", "Google", "gcloud.en-US-Standard-A"),
        (SignalWireSpeech(), "Joanna", "polly", "Polly.Joanna"),
        (SignalWireSpeech(), "astra", "Telnyx", None),
    ],
)
def test_a_voice_is_named_as_the_provider_names_it_or_left_out_with_a_note(dialect, voice, tts_provider, said):
    left_out = LeftOut()
    assert dialect.say_voice(voice, tts_provider, left_out) == said
    assert bool(left_out.notes) == (said is None)


@pytest.mark.parametrize(
    ("provider", "model", "written"),
    [
        ("Deepgram", "nova-3-general", "deepgram_nova-3-general"),
        ("google", "telephony", "googlev2_telephony"),
        (None, "deepgram_nova-2", "deepgram_nova-2"),
        ("Google", "phone_call", "phone_call"),
        (None, "nova-3", None),
        ("Azure", "fast", None),
        ("Deepgram", None, None),
        (None, None, None),
    ],
)
def test_twilios_gather_names_the_recogniser_in_its_model_and_then_the_timeout_is_a_number(provider, model, written):
    left_out = LeftOut()
    heard = TwilioSpeech().gather(VoiceProfile(transcription_provider=provider, speech_model=model), left_out)
    assert heard.attributes.get("speechModel") == written
    assert heard.speech_timeout.isdecimal() == (written is not None)
    assert bool(left_out.notes) == (written is None and bool(provider or model))


def test_the_profanity_filter_is_named_only_when_it_is_set():
    for dialect in DIALECTS:
        assert "profanityFilter" not in dialect.gather(VoiceProfile(), LeftOut()).attributes
        for value, text in ((True, "true"), (False, "false")):
            heard = dialect.gather(VoiceProfile(profanity_filter=value), LeftOut())
            assert heard.attributes["profanityFilter"] == text


def test_telnyx_gets_the_engine_and_its_model_and_hints_under_the_name_that_the_model_knows():
    heard = TelnyxSpeech().gather(FULL, LeftOut())
    assert heard.attributes == {
        "transcriptionEngine": "Deepgram", "model": "deepgram/nova-3", "profanityFilter": "false"
    }  # fmt: skip
    assert (heard.hints_name, heard.hints) == ("keyterms", "appointment, check-up")
    older = TelnyxSpeech().gather(VoiceProfile(transcription_provider="deepgram", speech_model="nova-2"), LeftOut())
    assert (older.attributes["model"], older.hints_name) == ("deepgram/nova-2", "hints")
    left_out = LeftOut()
    azure = TelnyxSpeech().gather(VoiceProfile(transcription_provider="Azure", speech_model="azure/fast"), left_out)
    assert azure.attributes == {}
    assert len(left_out.notes) == 2


def test_signalwire_charges_for_a_model_only_when_it_is_one_of_its_own():
    heard = SignalWireSpeech().gather(VoiceProfile(speech_model="phone_call"), LeftOut())
    assert heard.attributes == {"enhanced": "true", "speechModel": "phone_call"}
    left_out = LeftOut()
    assert SignalWireSpeech().gather(FULL, left_out).attributes == {"profanityFilter": "false"}
    assert any("nova-3-general" in note for note in left_out.notes)


def test_twilios_relay_gets_the_voice_without_its_prefix():
    relay = TwilioSpeech().relay_language(FULL, LeftOut())
    assert relay == {
        "ttsProvider": "Google", "voice": "en-US-Chirp3-HD-Aoede",
        "transcriptionProvider": "Deepgram", "speechModel": "nova-3-general",
    }  # fmt: skip
    named = TwilioSpeech().relay_language(VoiceProfile(voice="Polly.Joanna", speech_model="deepgram_nova-2"), LeftOut())
    assert named == {
        "ttsProvider": "Amazon", "voice": "Joanna", "transcriptionProvider": "Deepgram", "speechModel": "nova-2"
    }  # fmt: skip
    assert TwilioSpeech().relay(FULL, LeftOut()) == {"hints": "appointment, check-up", "profanityFilter": "false"}


@pytest.mark.parametrize(
    "profile",
    [
        VoiceProfile(voice="woman"),
        VoiceProfile(voice="NaturalHD.astra", tts_provider="Telnyx"),
        VoiceProfile(speech_model="phone_call"),
        VoiceProfile(transcription_provider="Azure"),
    ],
)
def test_twilios_relay_gets_nothing_that_it_does_not_know(profile):
    left_out = LeftOut()
    assert TwilioSpeech().relay_language(profile, left_out) == {}
    assert left_out.notes


def test_telnyxs_relay_has_provider_and_model_in_its_language_alone():
    profile = VoiceProfile(
        language="en-US", voice="NaturalHD.astra", tts_provider="Telnyx",
        transcription_provider="Deepgram", speech_model="nova-2",
    )  # fmt: skip
    relay = {"voice": "Telnyx.NaturalHD.astra", "transcriptionProvider": "deepgram"}
    assert TelnyxSpeech().relay_default(profile, LeftOut()) == relay
    assert TelnyxSpeech().relay_language(profile, LeftOut()) == {
        **relay, "ttsProvider": "telnyx", "speechModel": "nova-2"
    }  # fmt: skip
    left_out = LeftOut()
    assert TelnyxSpeech().relay(FULL, left_out) == {}
    assert len(left_out.notes) == 2, "hints and the profanity filter"


def test_hints_stay_within_the_limits_that_are_documented():
    for hints in [("x" * (LONGEST_HINT + 1),), ["word"] * (MOST_HINTS + 1), ["w" * LONGEST_HINT] * 60]:
        left_out = LeftOut()
        written = hint_list(hints, left_out)
        assert len(written) <= HINT_BYTES
        assert written.count(",") < MOST_HINTS
        assert left_out.notes
    assert hint_list(("a  b\n", "", "c"), LeftOut()) == "a b, c"


def test_twilios_library_knows_each_attribute_that_twilio_gets():
    heard = TwilioSpeech().gather(FULL, LeftOut())
    names = {"speechModel": "speech_model", "profanityFilter": "profanity_filter"}
    by_name = Gather(**{names[name]: value for name, value in heard.attributes.items()})
    assert by_name.attrs == dict(heard.attributes)
    voice = TwilioSpeech().say_voice(FULL.voice, FULL.tts_provider, LeftOut())
    assert Say("Hi", voice=voice).attrs == {"voice": voice}
