"""Voices, languages and recognisers as the phone reads them, and what it refuses of them."""

import pytest
from twilio.twiml.voice_response import Connect as ConnectVerb
from twilio.twiml.voice_response import Gather as GatherVerb
from twilio.twiml.voice_response import VoiceResponse

from orchestrator.provider_simulator.relay_frames import taken
from orchestrator.provider_simulator.speech_attributes import Recogniser
from orchestrator.provider_simulator.twiml import BadTwiml, Connect, Gather, Say, parse


def refused(verbs: str) -> str:
    with pytest.raises(BadTwiml) as caught:
        parse(f"<Response>{verbs}</Response>")
    return str(caught.value)


def relay(attributes: str = "", children: str = "") -> str:
    return f'<Connect><ConversationRelay url="wss://h/r" {attributes}>{children}</ConversationRelay></Connect>'


def test_a_document_of_the_providers_own_library_is_read_as_it_was_meant() -> None:
    document = VoiceResponse()
    gather = GatherVerb(
        input="speech", speech_model="deepgram_nova-3", speech_timeout=2, hints="a, b c", language="sv-SE",
        profanity_filter=False,
    )  # fmt: skip
    gather.say("Hej", language="sv-SE", voice="Polly.Elin-Neural")
    document.append(gather)
    (read,) = parse(str(document))
    assert isinstance(read, Gather)
    assert read.recogniser == Recogniser("sv-SE", ("a", "b c"), "deepgram_nova-3", False, "2")
    assert read.prompts == (Say("Hej", "sv-SE", "Polly.Elin-Neural"),)


def test_a_relay_knows_the_voice_of_each_language() -> None:
    document = VoiceResponse()
    verb = ConnectVerb()
    session = verb.conversation_relay(url="wss://h/r", language="en-US", voice="Joanna", tts_provider="Amazon")
    session.language(code="sv-SE", voice="Elin", tts_provider="Amazon")
    session.language(code="fi-FI")
    document.append(verb)
    (read,) = parse(str(document))
    assert isinstance(read, Connect)
    assert [read.voices.voice(code) for code in ("en-US", "sv-SE", "fi-FI", "de-DE")] == [
        "Joanna", "Elin", "Joanna", "Joanna",
    ]  # fmt: skip
    assert read.voices.language == "en-US"


@pytest.mark.parametrize(
    ("verbs", "sentence"),
    [
        ('<Say voice="Rachel">x</Say>', "Polly"),
        ('<Say voice="">x</Say>', "Polly"),
        ('<Say language="english please">x</Say>', "language tag"),
        ('<Gather speechModel="nova-3" speechTimeout="2"/>', "deepgram_nova-3"),
        ('<Gather speechModel="phone_call" speechTimeout="auto"/>', "13335"),
        ('<Gather speechTimeout="0"/>', "1 or more, or auto"),
        ('<Gather speechTimeout="soon"/>', "1 or more, or auto"),
        ('<Gather profanityFilter="maybe"/>', "true or false"),
        (f'<Gather hints="{"x" * 101}"/>', "100 characters"),
        (f'<Gather hints="{"x," * 501}"/>', "at most 500"),
        (relay('ttsProvider="Azure"'), "64101"),
        (relay('transcriptionProvider="Azure"'), "64101"),
        (relay('voice=""'), "empty"),
        (relay('voise="Joanna"'), "no such attribute"),
        (relay('language="x_y"'), "language tag"),
        (relay('profanityFilter="no"'), "true or false"),
        (relay(children="<Language/>"), "language tag"),
        (relay(children='<Language code="sv-SE" hints="x"/>'), "no such attribute"),
        (relay(children='<Language code="sv-SE"/><Language code="sv-SE"/>'), "twice"),
    ],
)
def test_what_the_provider_would_refuse_is_refused(verbs: str, sentence: str) -> None:
    assert sentence in refused(verbs)


@pytest.mark.parametrize(
    ("fields", "is_taken"),
    [
        ('"ttsLanguage": "sv-SE"', True),
        ('"ttsLanguage": "sv-SE", "transcriptionLanguage": "en-US"', True),
        ('"voice": "Polly.Amy"', False),
        ('"ttsLanguage": "sv-SE", "voice": "Elin"', False),
        ('"ttsLanguage": ""', False),
        ('"ttsLanguage": 1', False),
    ],
)
def test_a_language_frame_has_the_fields_that_are_known(fields: str, is_taken: bool) -> None:
    assert (taken(f'{{"type": "language", {fields}}}') is not None) == is_taken


def test_a_language_frame_without_a_language_is_refused() -> None:
    assert taken('{"type": "language"}') is None
