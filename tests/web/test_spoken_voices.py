"""Replies of several agents: each is said with its own voice, from the place where it got the call."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import pytest

from orchestrator.conversation.actions import Gather, HandOff, HangUp, SetLanguage, SetSpeech, SetVoice
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.provider_simulator.twiml import parse
from orchestrator.routes.voice_profile import VoiceProfile
from web.twilio import twiml
from web.twilio.language import Languages
from web.voices.dialect import HINT_BYTES
from web.voices.provider_voices import ProviderVoices
from web.voices.twilio import TwilioSpeech

VOICES = ProviderVoices(
    TwilioSpeech(),
    {
        "": VoiceProfile(),
        "reception": VoiceProfile(
            language="en-US", voice="Joanna-Neural", tts_provider="Amazon", hints=("appointment",),
            transcription_provider="Deepgram", speech_model="nova-3-general",
        ),
        "billing": VoiceProfile(
            language="sv-SE", voice="sv-SE-Chirp3-HD-Aoede", tts_provider="Google", profanity_filter=False
        ),
        "full": VoiceProfile(voice="Polly.Amy", hints=tuple("&" * 99 for _ in range(100))),
    },
)  # fmt: skip
RECEPTION = Languages(agent="reception", voices=VOICES)
JOANNA, AOEDE = "Polly.Joanna-Neural", "Google.sv-SE-Chirp3-HD-Aoede"


def rendered(
    text: str, *actions: Any, languages: Languages = RECEPTION, outcome: Any = "replied"
) -> ElementTree.Element:
    reply = Reply(text=text, actions=list(actions))
    result = TurnResult(call_sid="CA1", turn_id="turn-1", outcome=outcome, reply=reply)
    xml = twiml.reply(result, next_turn=2, languages=languages)
    assert parse(xml), "the provider takes it"
    return ElementTree.fromstring(xml)


def says(document: ElementTree.Element) -> list[tuple[str | None, str | None, str | None]]:
    return [(say.text, say.get("language"), say.get("voice")) for say in document.iter("Say")]


def after(document: ElementTree.Element) -> Languages:
    """Return what the next webhook finds in its URL."""
    address = document.find("Gather").get("action")
    assert document.findtext("Redirect") == address
    return Languages.of(dict(parse_qsl(urlsplit(address).query)), VOICES)


def test_an_agents_words_have_its_voice_and_the_answer_its_recogniser():
    document = rendered("Hello.")
    assert says(document) == [("Hello.", "en-US", JOANNA)]
    gather = document.find("Gather")
    assert (gather.get("speechModel"), gather.get("speechTimeout")) == ("deepgram_nova-3-general", "2")
    assert (gather.get("hints"), gather.get("language"), gather.get("profanityFilter")) == (
        "appointment",
        "en-US",
        None,
    )
    assert after(document) == RECEPTION


def test_the_second_agents_words_begin_where_it_got_the_call():
    document = rendered("One moment. Hej! Fakturan?", HandOff("billing", at=12))
    assert says(document) == [("One moment.", "en-US", JOANNA), ("Hej! Fakturan?", "sv-SE", AOEDE)]
    gather = document.find("Gather")
    assert (gather.get("language"), gather.get("speechModel"), gather.get("hints")) == ("sv-SE", None, None)
    assert (gather.get("profanityFilter"), gather.get("speechTimeout")) == ("false", "auto")
    assert after(document).agent == "billing"


def test_a_call_may_be_handed_on_and_back_in_one_reply():
    document = rendered("A. B. C.", HandOff("billing", at=3), HandOff("reception", at=6), HangUp())
    assert [voice for *_, voice in says(document)] == [JOANNA, AOEDE, JOANNA]


def test_a_chosen_voice_holds_from_its_place_on_and_in_the_next_turn():
    document = rendered("A. B.", SetVoice("Amy", at=3))
    assert [voice for *_, voice in says(document)] == [JOANNA, "Polly.Amy"]
    assert after(document).spoken.voice == "Polly.Amy"
    assert says(rendered("C.", languages=after(document))) == [("C.", "en-US", "Polly.Amy")]


def test_another_language_is_not_spoken_with_a_voice_that_does_not_know_it():
    document = rendered("A. B. C.", SetLanguage(speech="fi-FI", at=3), SetLanguage(speech="sv-SE", at=6))
    assert says(document) == [("A.", "en-US", JOANNA), ("B.", "fi-FI", None), ("C.", "sv-SE", AOEDE)]
    foreign = rendered("A. B.", SetSpeech(language="sv-SE", at=0), SetSpeech(at=3))
    assert says(foreign) == [("A.", "sv-SE", AOEDE), ("B.", "en-US", JOANNA)]


def test_a_questions_own_language_has_no_recogniser_of_another_one():
    gather = rendered("Y a-t-il ?", Gather(language="fr-FR", hints=("oui",))).find("Gather")
    assert (gather.get("language"), gather.get("speechModel"), gather.get("hints")) == ("fr-FR", None, "oui")


def test_keys_alone_have_no_recogniser():
    gather = rendered("Your code?", Gather(input="keys")).find("Gather")
    assert {"speechModel", "hints", "language", "speechTimeout"}.isdisjoint(gather.attrib)


@pytest.mark.parametrize(
    "xml",
    [
        twiml.apology("+15550001111", RECEPTION),
        twiml.farewell(twiml.GOODBYE, RECEPTION),
        twiml.filler(0, then="/x", languages=RECEPTION),
        twiml.ask_again(next_turn=2, languages=RECEPTION),
    ],
)
def test_our_own_sentences_are_said_with_the_agents_voice(xml):
    assert {say[1:] for say in says(ElementTree.fromstring(xml))} == {("en-US", JOANNA)}
    assert parse(xml)


def test_a_failed_turn_is_apologised_for_with_the_voice_of_who_has_the_call():
    assert says(rendered("", outcome="failed", languages=RECEPTION.of_agent("billing")))[0][2] == AOEDE


def test_with_many_hints_the_longest_reply_still_fits():
    full = RECEPTION.of_agent("full")
    document = rendered("& " * 50_000, languages=full)
    assert 0 < len(document.find("Gather").get("hints")) <= HINT_BYTES
    document = rendered("& " * 50_000, SetVoice("Polly.Joanna", at=5), languages=full)
    assert len(ElementTree.tostring(document)) <= twiml.MAX_TWIML_BYTES


def test_a_retry_at_another_ingress_gets_the_same_bytes():
    reply = Reply(text="A. B.", actions=[SetVoice("Amy", at=3), HandOff("billing")])
    result = TurnResult(call_sid="CA1", turn_id="turn-1", outcome="replied", reply=reply)
    changed = RECEPTION.after([SetLanguage(speech="sv-SE"), SetVoice("Polly.Elin")])
    url = changed.turn_path(1)
    read = [Languages.of(dict(parse_qsl(urlsplit(url).query)), VOICES) for _ in range(2)]
    assert len({twiml.reply(result, next_turn=2, languages=languages) for languages in [changed, *read]}) == 1
