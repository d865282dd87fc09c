"""What the phone reads out of a document, and what it refuses."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import Dial as DialVerb
from twilio.twiml.voice_response import Gather as GatherVerb
from twilio.twiml.voice_response import VoiceResponse

from orchestrator.provider_simulator.twiml import (
    BadTwiml,
    Connect,
    Dial,
    Gather,
    Hangup,
    Pause,
    Play,
    Redirect,
    Reject,
    Say,
    Target,
    parse,
)


def response(verbs: str) -> str:
    return f"<Response>{verbs}</Response>"


def test_a_document_of_the_providers_own_library_is_read_as_it_was_meant() -> None:
    document = VoiceResponse()
    gather = GatherVerb(
        input="dtmf speech", action="/twilio/turn/2", timeout=7, num_digits=4, action_on_empty_result=True
    )
    gather.say("Which day?", language="en-GB")
    gather.pause(length=2)
    document.append(gather)
    document.play("https://example.com/a.mp3")
    document.play(digits="ww12")
    dial = DialVerb(action="/twilio/turn/3")
    dial.number("+15550001111")
    document.append(dial)
    document.redirect("/twilio/turn/2/wait", method="GET")
    document.reject(reason="busy")
    document.hangup()
    assert parse(str(document)) == [
        Gather(
            action="/twilio/turn/2",
            inputs=frozenset({"dtmf", "speech"}),
            timeout_seconds=7,
            num_digits=4,
            action_on_empty_result=True,
            prompts=(Say("Which day?", "en-GB"), Pause(2)),
        ),
        Play("https://example.com/a.mp3"),
        Play(digits="ww12"),
        Dial((Target("+15550001111"),), "/twilio/turn/3"),
        Redirect("/twilio/turn/2/wait", "GET"),
        Reject("busy"),
        Hangup(),
    ]


def test_what_a_gather_leaves_out_is_as_the_provider_has_it() -> None:
    assert parse(response("<Gather/>")) == [
        Gather(action=None, method="POST", inputs=frozenset({"dtmf"}), timeout_seconds=5, finish_on_key="#")
    ]


def test_speech_marks_inside_a_say_are_spoken_as_their_text() -> None:
    assert parse(response("<Say>At <say-as interpret-as='time'>9:30</say-as>\n  sharp</Say>")) == [Say("At 9:30 sharp")]


def test_a_relay_is_recognised() -> None:
    document = response('<Connect action="/x"><ConversationRelay url="wss://h/r"/></Connect>')
    assert parse(document) == [Connect("ConversationRelay", "wss://h/r", "/x")]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("", "is no XML"),
        ("Hello", "is no XML"),
        ("<Response><Say>", "is no XML"),
        ("<html/>", "begins with <html>"),
        (response("<Sing/>"), "<Sing> is no verb"),
        (response("<Pause length='soon'/>"), 'length="soon"'),
        (response("<Gather timeout='-1'/>"), 'timeout="-1"'),
        (response("<Gather input='telepathy'/>"), "dtmf, speech or both"),
        (response("<Gather method='PUT'/>"), "GET or POST"),
        (response("<Gather><Dial>1</Dial></Gather>"), "only Say, Play and Pause"),
        (response("<Redirect/>"), "names no address"),
        (response("<Dial/>"), "names no number"),
        (response("<Connect/>"), "nothing to connect to"),
        (response(f"<Say>{'x' * 70_000}</Say>"), "takes at most 65536"),
        ("<!DOCTYPE Response [<!ENTITY a 'b'>]><Response><Say>&a;</Say></Response>", "DOCTYPE"),
    ],
)
def test_a_document_that_a_provider_would_not_carry_out_is_refused(document: str, sentence: str) -> None:
    with pytest.raises(BadTwiml) as refused:
        parse(document)
    assert sentence in str(refused.value)


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused(document: bytes) -> None:
    with suppress(BadTwiml):
        assert isinstance(parse(document), list)
