"""An ordinary reply is written without the provider's library, which is the judge of every byte here."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twilio.twiml.voice_response import VoiceResponse

from orchestrator.conversation.actions import Gather, UnknownAction
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.routes.voice_profile import VoiceProfile
from web.twilio import twiml
from web.twilio.language import Languages
from web.voices.provider_voices import NO_VOICES, ProviderVoices
from web.voices.signalwire import SignalWireSpeech
from web.voices.telnyx import TelnyxSpeech
from web.voices.twilio import TwilioSpeech

FOR_THE_LIBRARY = UnknownAction(type="hologram")
"""No document shows it, but the library writes that of a reply with it."""

characters = st.characters() | st.sampled_from("&<>\"'\r\n\t\x00\x0b\ud800\udfff\ufffe\uffff😀\U0010ffff.。! ;")
words = st.text(characters, max_size=40) | st.sampled_from(
    ["&amp;", "&#10;", "]]>", "<Hangup/>", "--", "<!-- -->", " ", ""]
)
texts = st.lists(words, max_size=6).map(" ".join) | st.builds(
    lambda word, times: word * times, words, st.integers(1, 3000)
)
tags = st.none() | st.sampled_from(["en-US", "sv", "zh-Hant-TW", "de-DE-1996"])
gathers = st.builds(
    Gather,
    input=st.sampled_from(["speech", "keys", "both"]),
    num_digits=st.none() | st.integers(1, 20),
    finish_on_key=words,
    timeout_seconds=st.integers(1, 60),
    hints=st.lists(words, max_size=4).map(tuple),
    language=st.none() | tags | words,
)


VOICED = ProviderVoices(
    TwilioSpeech(),
    {
        "reception": VoiceProfile(
            language="en-US", voice="Polly.Joanna-Neural", speech_model="phone_call", hints=("a&b", "<c>"),
            profanity_filter=False,
        ),
        "billing": VoiceProfile(language="sv-SE", voice="woman", transcription_provider="Google", speech_model="long"),
    },
)  # fmt: skip
TELNYX = ProviderVoices(
    TelnyxSpeech(),
    {"": VoiceProfile(transcription_provider="Deepgram", hints=("word",), profanity_filter=True)},
)
SIGNALWIRE = ProviderVoices(SignalWireSpeech(), {"": VoiceProfile(speech_model="phone_call", voice="gcloud.x")})
spoken = st.builds(
    Languages,
    tags,
    tags,
    agent=st.sampled_from([None, "reception", "billing", "a name"]),
    voice=st.sampled_from([None, "Polly.Amy", "a b"]),
    tts_provider=st.sampled_from([None, "Google"]),
    voices=st.sampled_from([NO_VOICES, VOICED, TELNYX, SIGNALWIRE]),
)


def document(text: str, gathers: list[Gather], languages: Languages, *actions: UnknownAction, turn: int = 2) -> str:
    reply = Reply(text=text, actions=[*gathers, *actions])
    result = TurnResult(call_sid="CA1", turn_id="turn-1", outcome="replied", reply=reply)
    return twiml.reply(result, next_turn=turn, languages=languages)


@given(texts, st.lists(gathers, max_size=2), spoken, st.integers(1, 99_999))
@example("", [], Languages(), 1)
@example("Hi.", [], Languages(agent="reception", voices=VOICED), 2)
@example("Hi.", [Gather(input="keys")], Languages("sv-SE", "sv-SE", agent="reception", voices=VOICED), 2)
@example("Hi.", [Gather(hints=("x",))], Languages(voices=TELNYX), 2)
@example("Hi.", [], Languages(voices=SIGNALWIRE), 2)
@example("Hello.", [], Languages(), 2)
@example("A&B <c> \"d\" 'e'\r\n\t", [], Languages("sv-SE", "en-US"), 3)
@example("a" * 9000, [], Languages(), 4)
@example("é😀&" * 20_000, [Gather()], Languages(), 5)
@example("Your code?", [Gather(input="keys", num_digits=4, finish_on_key="", hints=("a",))], Languages("sv", None), 6)
@example(
    "Yes?", [Gather(input="speech", num_digits=4, hints=('a"b', "<c>\n"), language="x&y")], Languages(None, "sv"), 7
)
@example("Yes?", [Gather(hints=("\x00",), language="\x00")], Languages(), 8)
@example("", [Gather(finish_on_key="\r\n\t\x00", hints=("\r\t\n\x00",), language="\r\t\n\x00")], Languages(), 9)
def test_every_byte_is_the_librarys(text, chosen, languages, turn):
    plain = document(text, chosen, languages, turn=turn)
    assert plain == document(text, chosen, languages, FOR_THE_LIBRARY, turn=turn)


@pytest.mark.parametrize("outcome", ["failed", "timed_out"])
@pytest.mark.parametrize("text", ["", " \n", "\x00"])
def test_a_failed_turn_without_words_is_apologised_for_as_the_library_would(outcome, text):
    result = TurnResult(call_sid="CA1", turn_id="turn-1", outcome=outcome, reply=Reply(text=text))
    assert twiml.reply(result, next_turn=2, languages=Languages("sv")) == twiml.ask(
        twiml.APOLOGY, next_turn=2, languages=Languages("sv")
    )


def test_an_ordinary_reply_is_written_without_the_library(monkeypatch):
    def fail(response: VoiceResponse) -> str:
        raise AssertionError("the library was called")

    monkeypatch.setattr(VoiceResponse, "to_xml", fail)
    assert "Hello." in document("Hello.", [Gather(num_digits=1)], Languages())
    with pytest.raises(AssertionError, match="the library was called"):
        document("Hello.", [], Languages(), FOR_THE_LIBRARY)


def test_without_voices_a_document_is_as_it_was_before_there_were_any():
    query = "speech=sv-SE&amp;recognition=en-US"
    assert document("Hi.", [Gather(hints=("a",))], Languages("sv-SE", "en-US")) == (
        f'<?xml version="1.0" encoding="UTF-8"?><Response><Gather action="/twilio/turn/2?{query}"'
        ' actionOnEmptyResult="true" finishOnKey="#" hints="a" input="dtmf speech" language="en-US" method="POST"'
        ' speechTimeout="auto" timeout="5"><Say language="sv-SE">Hi.</Say></Gather>'
        f'<Redirect method="POST">/twilio/turn/2?{query}</Redirect></Response>'
    )
