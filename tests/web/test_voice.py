"""Calls over `<Gather>`: what the caller hears after what they do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from support.ingress import said, verbs

from orchestrator.conversation.actions import HangUp, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn


async def test_a_call_is_greeted_inside_a_gather_so_that_the_caller_can_interrupt(ingress):
    document = await ingress.begin()
    gather = document.find("Gather")
    assert said(gather) == "Hello!"
    assert gather.get("action") == "/twilio/turn/1"
    assert gather.get("method") == "POST"
    assert gather.get("input") == "dtmf speech"
    assert gather.get("speechTimeout") == "auto"
    assert gather.get("actionOnEmptyResult") == "true"
    assert verbs(document) == ["Gather", "Redirect"]
    assert document.find("Redirect").text == "/twilio/turn/1"


async def test_the_state_knows_who_called(ingress):
    await ingress.begin()
    state = await ingress.state()
    assert (state.channel, state.direction) == ("gather", "inbound")
    assert (state.from_number, state.to_number) == ("+15558675310", "+15551234567")


async def test_speech_is_a_turn_with_its_confidence(ingress):
    await ingress.begin()
    document = await ingress.twiml("/twilio/turn/1", SpeechResult="Good morning", Confidence="0.912")
    assert said(document) == "You said Good morning."
    assert document.find("Gather").get("action") == "/twilio/turn/2"
    turn = ingress.turns[-1]
    assert (turn.turn_id, turn.kind, turn.confidence) == ("turn-1", "speech", 0.912)


async def test_keys_win_over_speech(ingress):
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", Digits="12#", SpeechResult="twelve", Confidence="0.5")
    turn = ingress.turns[-1]
    assert (turn.kind, turn.digits, turn.text, turn.confidence) == ("keys", "12#", "12#", None)


async def test_nothing_at_all_is_silence(ingress):
    await ingress.begin()
    assert said(await ingress.twiml("/twilio/turn/1")) == "Are you there?"
    assert ingress.turns[-1].kind == "silence"


async def test_a_confidence_that_is_no_number_is_left_out(ingress):
    await ingress.begin()
    for number, text in enumerate(["nan", "high", "", "7"], start=1):
        await ingress.twiml(f"/twilio/turn/{number}", SpeechResult="hm", Confidence=text)
    assert [turn.confidence for turn in ingress.turns[1:]] == [None, None, None, 1.0]


async def test_a_repeated_webhook_gets_the_same_bytes_and_runs_no_agent_again(start_ingress):
    runs = 0

    async def counting(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        nonlocal runs
        runs += 1
        yield f"Run {runs}."

    async with start_ingress(agent=counting) as ingress:
        greetings = await asyncio.gather(*(ingress.post("/twilio/voice") for _ in range(10)))
        answers = await asyncio.gather(*(ingress.post("/twilio/turn/1", SpeechResult="again") for _ in range(10)))
        assert len({answer.content for answer in greetings}) == 1
        assert len({answer.content for answer in answers}) == 1
        assert runs == 2
        assert len((await ingress.state()).turns) == 2


async def test_hang_up_and_transfer_end_the_document(start_ingress):
    async def leaving(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "One moment."
        yield Transfer("+15550001111") if turn.kind == "started" else HangUp()

    async with start_ingress(agent=leaving) as ingress:
        document = await ingress.begin()
        assert verbs(document) == ["Say", "Dial"]
        assert document.findtext("Dial/Number") == "+15550001111"
        assert verbs(await ingress.twiml("/twilio/turn/1", SpeechResult="bye")) == ["Say", "Hangup"]


async def test_an_agent_that_raises_is_heard_as_an_apology(start_ingress):
    async def broken(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind != "started":
            raise ValueError("a bug")
        yield "Hello!"

    async with start_ingress(agent=broken) as ingress:
        await ingress.begin()
        document = await ingress.twiml("/twilio/turn/1", SpeechResult="hi")
        assert "sorry" in said(document).lower()
        assert document.find("Gather") is not None


async def test_an_unknown_call_starts_afresh_and_a_retry_hears_the_same(ingress):
    first = await ingress.post("/twilio/turn/7", SpeechResult="my number is one two three")
    second = await ingress.post("/twilio/turn/7", SpeechResult="my number is one two three")
    assert first.content == second.content
    assert b"Hello!" in first.content
    assert b'action="/twilio/turn/8"' in first.content
    state = await ingress.state()
    assert [record.kind for record in state.turns] == ["started"]
    assert state.from_number == "+15558675310"


async def test_a_turn_of_an_ended_call_is_answered_with_goodbye(ingress):
    await ingress.begin()
    assert (await ingress.post("/twilio/status", CallStatus="completed")).status_code == 204
    document = await ingress.twiml("/twilio/turn/1", SpeechResult="hello?")
    assert verbs(document) == ["Say", "Hangup"]
    assert "Goodbye" in said(document)


async def test_more_calls_than_allowed_are_told_that_all_lines_are_busy(start_ingress):
    async with start_ingress(max_active_calls=1) as ingress:
        await ingress.begin()
        ingress.call_sid = "CA-two"
        document = await ingress.begin()
        assert verbs(document) == ["Say", "Hangup"]
        assert "All lines are busy" in said(document)


async def test_a_call_sid_may_hold_a_colon(ingress):
    ingress.call_sid = "v2:T02llQx"
    assert said(await ingress.begin()) == "Hello!"
    assert (await ingress.state()).call_sid == "v2:T02llQx"


async def test_the_language_an_agent_sets_stays_for_the_turns_to_come(start_ingress):
    from orchestrator.conversation.actions import SetLanguage

    async def swedish(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "started":
            yield SetLanguage(speech="sv-SE", recognition="sv-SE")
        yield "Hej!"

    async with start_ingress(agent=swedish) as ingress:
        document = await ingress.begin()
        assert document.find("Gather/Say").get("language") == "sv-SE"
        action = document.find("Gather").get("action")
        assert urlsplit(action).path == "/twilio/turn/1"
        document = await ingress.twiml(action, SpeechResult="hej")
        assert document.find("Gather/Say").get("language") == "sv-SE"
        assert document.find("Gather").get("language") == "sv-SE"
