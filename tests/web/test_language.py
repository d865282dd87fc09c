"""Who has a call and how it sounds travels in the URL, and changes as the actions of the agents say."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.conversation.actions import Gather, HandOff, SetLanguage, SetVoice
from orchestrator.routes.voice_profile import VoiceProfile
from web.twilio.language import Languages
from web.voices.provider_voices import ProviderVoices
from web.voices.twilio import TwilioSpeech

VOICES = ProviderVoices(
    TwilioSpeech(),
    {
        "reception": VoiceProfile(language="en-US", voice="Polly.Joanna"),
        "billing": VoiceProfile(language="sv-SE", voice="Polly.Elin"),
        "plain": VoiceProfile(),
    },
)
RECEPTION = Languages(agent="reception", voices=VOICES)
actions = st.one_of(
    st.builds(SetLanguage, speech=st.none() | st.text(max_size=9), recognition=st.sampled_from([None, "sv-SE", "x"])),
    st.builds(
        lambda voice, tts: SetVoice(voice, tts_provider=tts), st.text(min_size=1, max_size=9), st.none() | st.text()
    ),
    st.builds(HandOff, st.sampled_from(["reception", "billing", "plain", "n\n"])),
)


@given(st.lists(actions, max_size=5), st.booleans())
def test_what_a_url_carries_is_read_as_it_was_written(chosen, sensitive):
    languages = RECEPTION.after(chosen).asking([Gather(sensitive=sensitive)])
    assert languages.sensitive == sensitive
    query = dict(parse_qsl(urlsplit(languages.turn_path(3)).query, keep_blank_values=True))
    assert Languages.of(query, VOICES) == languages


@given(
    st.dictionaries(
        st.sampled_from(["speech", "recognition", "agent", "voice", "tts", "sensitive"]), st.text(max_size=300)
    )
)
def test_a_strangers_query_is_bounded(query):
    path = Languages.of(query).turn_path(1)
    assert len(path) < 4000
    assert path.isprintable()


def test_a_url_without_a_query_is_valid_and_stays_without():
    assert Languages.of({}) == Languages()
    assert Languages().turn_path(2) == "/twilio/turn/2"
    assert Languages.of({"tts": "Google"}) == Languages(), "a provider without a voice means nothing"


def test_a_chosen_voice_holds_until_the_language_changes():
    chosen = RECEPTION.changed_by(SetVoice("Polly.Amy"))
    assert chosen.spoken.voice == "Polly.Amy"
    assert chosen.changed_by(SetLanguage(recognition="sv-SE")).spoken.voice == "Polly.Amy"
    assert chosen.changed_by(SetLanguage(speech="en-us")).spoken.voice == "Polly.Amy"
    assert chosen.changed_by(SetLanguage(speech="sv-SE")).spoken.voice == "Polly.Elin"
    both = RECEPTION.after([SetLanguage(speech="sv-SE"), SetVoice("Astrid", tts_provider="Amazon")])
    assert (both.spoken.language, both.spoken.voice) == ("sv-SE", "Polly.Astrid")


def test_a_voice_that_is_no_name_changes_nothing():
    assert RECEPTION.changed_by(SetVoice("<b>\n")) == RECEPTION


def test_after_a_hand_off_the_second_agents_voice_and_language_hold():
    changed = RECEPTION.after([SetLanguage(speech="fi-FI", recognition="fi-FI"), SetVoice("Polly.Suvi")])
    given_away = changed.changed_by(HandOff("billing"))
    assert (given_away.spoken.language, given_away.spoken.voice) == ("sv-SE", "Polly.Elin")
    assert given_away.recognised == "sv-SE"
    back = given_away.changed_by(HandOff("reception"))
    assert (back.spoken.language, back.spoken.voice) == ("en-US", "Polly.Joanna")


def test_an_agent_without_a_language_keeps_the_one_that_was_chosen_for_the_caller():
    changed = RECEPTION.after([SetLanguage(speech="fi-FI", recognition="fi-FI"), SetVoice("Polly.Suvi")])
    given_away = changed.changed_by(HandOff("plain"))
    assert (given_away.spoken.language, given_away.spoken.voice, given_away.recognised) == ("fi-FI", None, "fi-FI")
    assert RECEPTION.changed_by(HandOff("plain")).spoken.language is None


@pytest.mark.parametrize("action", [SetLanguage(speech="sv-SE"), SetVoice("Polly.Amy"), HandOff("billing")])
def test_what_has_changed_is_in_the_next_address(action):
    assert "?" not in Languages(voices=VOICES).turn_path(1)
    assert "?" in Languages(voices=VOICES).changed_by(action).turn_path(1)
