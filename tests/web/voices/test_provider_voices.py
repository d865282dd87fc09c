"""Which voice and recogniser an agent has in which language, and what a relay's document declares of them."""

import logging

import pytest

from orchestrator.routes.voice_profile import VoiceProfile
from web.voices.provider_voices import NO_VOICES, ProviderVoices, Spoken
from web.voices.telnyx import TelnyxSpeech
from web.voices.twilio import TwilioSpeech
from web.voices.voices import Voices

ENGLISH = VoiceProfile(language="en-US", voice="Joanna", tts_provider="Amazon", speech_model="phone_call")
SWEDISH = VoiceProfile(language="sv-SE", voice="Elin", tts_provider="Amazon", hints=("faktura",))
BRITISH = VoiceProfile(language="en-GB")
PROFILES = {"": VoiceProfile(), "reception": ENGLISH, "billing": SWEDISH}


@pytest.fixture
def voices() -> ProviderVoices:
    return ProviderVoices(TwilioSpeech(), PROFILES)


def test_without_a_profile_nothing_is_named():
    assert NO_VOICES.spoken(None, None, None, None) == Spoken()
    assert NO_VOICES.spoken(None, "sv-SE", None, None) == Spoken("sv-SE")
    heard = NO_VOICES.gather(None, None)
    assert (dict(heard.attributes), heard.hints, heard.speech_timeout) == ({}, "", "auto")
    relay = NO_VOICES.relay(None)
    assert (relay.attributes, relay.languages) == ({}, {})


def test_an_agent_speaks_its_own_language_with_its_own_voice(voices):
    assert voices.spoken("reception", None, None, None) == Spoken("en-US", "Polly.Joanna")
    assert voices.spoken("billing", None, None, None) == Spoken("sv-SE", "Polly.Elin")
    assert voices.spoken("nobody", None, None, None) == Spoken(), "an unknown name is the agent of AGENT"


def test_in_another_language_it_has_the_voice_of_the_agent_with_that_language_or_the_providers(voices):
    assert voices.spoken("reception", "SV-se", None, None) == Spoken("SV-se", "Polly.Elin")
    assert voices.spoken("reception", "fi-FI", None, None) == Spoken("fi-FI")
    assert voices.spoken("reception", "en-us", None, None).voice == "Polly.Joanna"


def test_a_chosen_voice_comes_before_all_and_its_provider_may_be_that_of_the_agent(voices):
    assert voices.spoken("reception", None, "Amy", None).voice == "Polly.Amy"
    assert voices.spoken("reception", None, "en-US-Neural2-A", "Google").voice == "Google.en-US-Neural2-A"
    assert voices.spoken("reception", None, "x", "ElevenLabs").voice is None


def test_the_recogniser_follows_the_language_and_the_hints_the_agent(voices):
    assert voices.gather("reception", None).attributes == {"speechModel": "phone_call"}
    assert voices.gather("reception", "sv-SE").attributes == {}, "its model may not know Swedish"
    assert voices.gather("billing", "en-US").attributes == {"speechModel": "phone_call"}
    assert voices.gather("billing", "en-US").hints == "faktura"


def test_a_relay_declares_each_language_that_an_agent_speaks(voices):
    relay = voices.relay("billing")
    assert relay.attributes["language"] == "sv-SE"
    assert relay.languages == {
        "sv-SE": {"ttsProvider": "Amazon", "voice": "Elin"},
        "en-US": {"ttsProvider": "Amazon", "voice": "Joanna"},
    }, "the agent of AGENT, which names no language, comes last"


def test_a_language_without_a_voice_does_not_get_one_from_the_relay():
    both = ProviderVoices(TwilioSpeech(), {"": ENGLISH, "billing": SWEDISH}).relay(None)
    assert both.attributes["voice"] == "Joanna", "each language has a voice of its own"
    assert list(both.languages) == ["en-US", "sv-SE"]
    some = ProviderVoices(TwilioSpeech(), {"": ENGLISH, "british": BRITISH}).relay(None)
    assert "voice" not in some.attributes, "en-GB would take it over"
    assert some.languages["en-US"]["voice"] == "Joanna"
    one = ProviderVoices(TwilioSpeech(), {"": ENGLISH}).relay(None)
    assert (one.attributes["voice"], one.languages) == ("Joanna", {})


def test_telnyx_gets_a_language_for_what_only_a_language_has():
    profile = VoiceProfile(language="en-US", voice="NaturalHD.astra", tts_provider="Telnyx")
    relay = ProviderVoices(TelnyxSpeech(), {"": profile}).relay(None)
    assert relay.attributes == {"language": "en-US", "voice": "Telnyx.NaturalHD.astra"}
    assert relay.languages == {"en-US": {"voice": "Telnyx.NaturalHD.astra", "ttsProvider": "telnyx"}}


def test_signalwire_documents_no_relay():
    relay = Voices({"": ENGLISH, "billing": SWEDISH}).at("signalwire").relay("billing")
    assert (relay.attributes, relay.languages) == ({}, {})


def test_it_is_known_whose_voice_a_relay_cannot_change_to(voices):
    assert voices.is_heard_on_relay("reception", "billing", "sv-SE")
    assert voices.is_heard_on_relay("reception", "reception", "en-US")
    same = ProviderVoices(TwilioSpeech(), {**PROFILES, "sales": VoiceProfile(language="en-US", voice="Polly.Amy")})
    assert not same.is_heard_on_relay("reception", "sales", "en-US")


def test_one_warning_tells_what_the_providers_in_use_do_not_know(caplog):
    voices = Voices({"": VoiceProfile(), "x": VoiceProfile(voice="abc", tts_provider="ElevenLabs", speech_model="m")})
    with caplog.at_level(logging.WARNING):
        voices.warn_of_left_out(["twilio", "signalwire"], {"x": "gather"})
    (record,) = caplog.records
    assert record.action == "voice.left_out"
    assert "twilio: speech model m in <Gather>" in record.getMessage()
    assert "voice abc in <Say>" in record.getMessage()
    assert "signalwire: " in record.getMessage()
    assert "telnyx" not in record.getMessage()


def test_nothing_is_said_of_what_the_providers_know(caplog):
    with caplog.at_level(logging.WARNING):
        Voices().warn_of_left_out(["twilio", "telnyx", "signalwire"], {})
        Voices({"": ENGLISH}).warn_of_left_out(["twilio"], {"": "gather"})
        Voices({"": SWEDISH}).warn_of_left_out(["twilio"], {"": "relay"})
    assert caplog.records == []
