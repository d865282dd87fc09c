"""Replies as TwiML: a pure function whose result is always valid XML and never too long."""

import sys
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.ingress import said, verbs

from orchestrator.conversation.actions import (
    Gather,
    HangUp,
    Play,
    SendDigits,
    SetLanguage,
    SetSpeech,
    Transfer,
    UnknownAction,
)
from orchestrator.conversation.reply import Reply, TurnResult
from web.twilio import twiml
from web.twilio.language import Languages
from web.twilio.sentences import SAY_CHARACTERS, pieces, printable

PLAIN = Languages()
words = st.text("ab&.😀 ", min_size=1, max_size=9)


def result_of(text: str = "", *actions: Any, outcome: Any = "replied") -> TurnResult:
    reply = Reply(text=text, actions=list(actions))
    return TurnResult(call_sid="CA1", turn_id="turn-1", outcome=outcome, reply=reply)


def rendered(text: str = "", *actions: Any, outcome: Any = "replied") -> ElementTree.Element:
    xml = twiml.reply(result_of(text, *actions, outcome=outcome), next_turn=2, languages=PLAIN)
    return ElementTree.fromstring(xml)


def test_exactly_the_characters_that_xml_allows_are_printable():
    """XML 1.0 (fifth edition), production 2, `Char`."""
    every = "".join(map(chr, range(0x110000)))
    ranges = ((0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))
    expected = "\t\n\r" + "".join(chr(point) for first, last in ranges for point in range(first, last + 1))
    assert printable(every) == expected
    assert all(not character.isprintable() for character in set(every) - set(expected))  # so that is a way to ask


def test_a_gather_takes_the_options_that_the_agent_chose():
    options = Gather(
        input="both", num_digits=4, finish_on_key="*", timeout_seconds=9, hints=("a", "b"), language="de-DE"
    )
    gather = rendered("Your code?", options).find("Gather")
    assert {name: gather.get(name) for name in ("numDigits", "finishOnKey", "timeout", "hints", "language")} == {
        "numDigits": "4", "finishOnKey": "*", "timeout": "9", "hints": "a, b", "language": "de-DE",
    }  # fmt: skip


def test_keys_alone_have_no_speech_options_and_speech_alone_has_no_key_options():
    keys = rendered("", Gather(input="keys", num_digits=1, hints=("a",))).find("Gather")
    assert keys.get("input") == "dtmf"
    assert keys.get("speechTimeout") is None
    assert keys.get("hints") is None
    speech = rendered("", Gather(input="speech", num_digits=1)).find("Gather")
    assert speech.get("input") == "speech"
    assert speech.get("numDigits") is None
    assert speech.get("finishOnKey") is None


def test_no_finish_key_is_said_to_the_provider():
    assert rendered("", Gather(finish_on_key="")).find("Gather").get("finishOnKey") == ""


def test_a_file_is_played_inside_the_gather_after_the_words():
    gather = rendered("Listen.", Play("https://example.com/a.mp3?x=1&y=2", loop=2)).find("Gather")
    assert [(child.tag, child.text) for child in gather] == [
        ("Say", "Listen."),
        ("Play", "https://example.com/a.mp3?x=1&y=2"),
    ]
    assert gather.find("Play").get("loop") == "2"


def test_keys_are_sent_before_the_gather():
    document = rendered("Connecting.", SendDigits("1w2#"))
    assert verbs(document) == ["Say", "Play", "Gather", "Redirect"]
    assert document.find("Play").get("digits") == "1w2#"


def test_actions_amid_the_text_stay_where_they_were_yielded():
    document = rendered(
        "Terms. Hej. Bye.", SetSpeech(interruptible=False, at=0), SetSpeech(at=7), SetLanguage(speech="sv-SE", at=7),
        Play("https://example.com/a.mp3", at=11),
    )  # fmt: skip
    assert verbs(document) == ["Say", "Gather", "Redirect"], "what must be heard is said outside of the Gather"
    assert document.findtext("Say") == "Terms."
    gather = [(child.tag, child.text, child.get("language")) for child in document.find("Gather")]
    assert gather[0] == ("Say", "Hej.", "sv-SE")
    assert [tag for tag, *_ in gather] == ["Say", "Play", "Say"]


def test_nothing_follows_the_end():
    document = rendered("Bye.", Play("https://example.com/bye.mp3"), HangUp(), Transfer("+1"), Gather())
    assert verbs(document) == ["Say", "Play", "Hangup"]


@pytest.mark.parametrize(
    ("to", "path", "text"),
    [
        ("+15550001111", "Dial/Number", "+15550001111"),
        ("sip:desk@example.com", "Dial/Sip", "sip:desk@example.com"),
        ("client:alice", "Dial/Client", "alice"),
    ],
)
def test_a_transfer_dials_a_number_a_sip_address_or_a_client(to, path, text):
    assert rendered("", Transfer(to)).findtext(path) == text


def test_an_action_of_a_newer_version_is_passed_over():
    assert verbs(rendered("Hi.", UnknownAction(type="hologram"))) == ["Gather", "Redirect"]


def test_a_failed_turn_without_words_is_apologised_for():
    assert "sorry" in said(rendered(outcome="failed"))
    assert said(rendered(outcome="replied")) == ""


def test_a_dropped_turn_is_a_goodbye():
    assert verbs(rendered("never said", outcome="dropped")) == ["Say", "Hangup"]


def test_a_language_that_is_none_is_not_put_into_a_url():
    xml = twiml.reply(result_of("Hi.", SetLanguage(speech='x"><Hangup/>')), next_turn=2, languages=PLAIN)
    assert 'action="/twilio/turn/2"' in xml


def test_a_long_text_is_cut_at_a_sentence_and_logged(caplog):
    sentence = "This is <one> & only sentence, and it is not short. "
    document = rendered(sentence * 3000)
    heard = said(document)
    assert heard.endswith("it is not short.")
    assert heard.startswith("This is <one> & only sentence")
    assert [record.action for record in caplog.records] == ["reply.truncated"]


def test_long_texts_are_said_in_pieces_that_the_provider_takes():
    says = [say.text for say in rendered("A sentence. " * 1000).iter("Say")]
    assert len(says) == 4
    assert max(map(len, says)) <= SAY_CHARACTERS
    assert " ".join(says) == ("A sentence. " * 1000).strip()


def test_too_many_actions_are_left_out_rather_than_too_much_sent():
    xml = twiml.reply(result_of("Hi.", *[Play("https://example.com/" + "a" * 500)] * 300), next_turn=2, languages=PLAIN)
    assert len(xml.encode()) <= twiml.MAX_TWIML_BYTES
    assert said(ElementTree.fromstring(xml)) == "Hi."


@given(st.text(), st.integers(min_value=1, max_value=300))
def test_any_text_makes_the_same_short_enough_document_every_time(text, times):
    result = result_of(text * times)
    xml = twiml.reply(result, next_turn=2, languages=PLAIN)
    assert xml == twiml.reply(result, next_turn=2, languages=PLAIN)
    assert len(xml.encode()) <= twiml.MAX_TWIML_BYTES
    assert ElementTree.fromstring(xml).find("Gather") is not None


@given(st.text(max_size=20000))
def test_pieces_lose_nothing_but_white_space_and_what_xml_forbids(text):
    said, was_cut = pieces(text, limit_bytes=10**9)
    assert not was_cut
    assert "".join("".join(said).split()) == "".join(printable(text).split())


@given(st.text(max_size=200) | st.builds(lambda word, size: (word * size)[:size], words, st.integers(3990, 4010)))
@example("A. " * 1335)
def test_a_short_text_is_one_piece_as_it_would_be_sentence_by_sentence(text):
    exactly = len(escape(printable(text).strip()).encode())
    said, was_cut = pieces(text)
    assert (said, was_cut) == pieces(text, limit_bytes=exactly)
    assert all(len(piece) <= SAY_CHARACTERS for piece in said)


def test_no_text_has_no_pieces():
    assert pieces(" \n") == pieces("", limit_bytes=0) == ([], False)


def test_the_characters_that_xml_forbids_are_left_out_of_every_text():
    allowed = [9, 10, 13, *range(0x20, 0xD800), *range(0xE000, 0xFFFE), *range(0x10000, 0x110000)]
    kept = [code for code in range(sys.maxunicode + 1) if printable(chr(code))]
    assert kept == allowed
