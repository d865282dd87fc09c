"""A call that returns to `/voice` during its conversation: by the fallback URL, a redirect, or from another flow."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.ingress import redirect_of, said, verbs
from support.relay import relay_socket
from support.waiting import wait_until

from orchestrator.conversation.actions import HangUp, SendDigits, SetLanguage, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from web.twilio import known_call
from web.twilio.twiml import BACK

FALLBACK = {"ErrorCode": "11200", "ErrorUrl": "https://example.com/twilio/turn/2"}
REDIRECTED: dict[str, str] = {}
WAYS_BACK = pytest.mark.parametrize("fields", [FALLBACK, REDIRECTED], ids=["fallback", "redirect"])


def action_of(document):
    return document.find("Gather").get("action")


async def kinds(ingress):
    return [record.kind for record in (await ingress.state()).turns]


async def talked(ingress, *words):
    await ingress.begin()
    for number, text in enumerate(words, start=1):
        await ingress.twiml(f"/twilio/turn/{number}", SpeechResult=text)


@WAYS_BACK
async def test_a_call_that_comes_back_goes_on_at_the_next_unused_number(ingress, fields):
    await talked(ingress, "one", "two")
    document = await ingress.twiml("/twilio/voice", **fields)
    assert action_of(document) == "/twilio/turn/3"
    assert redirect_of(document) == "/twilio/turn/3"
    assert "Hello!" not in said(document)
    assert said(document) == "You said two.", "it may not have been heard"
    assert said(await ingress.twiml("/twilio/turn/3", SpeechResult="three")) == "You said three."
    assert await kinds(ingress) == ["started", "speech", "speech", "speech"]


@WAYS_BACK
async def test_asking_again_how_the_call_goes_on_gives_the_same(ingress, fields):
    await talked(ingress, "one")
    answers = [(await ingress.post("/twilio/voice", **fields)).content for _ in range(3)]
    assert len(set(answers)) == 1
    assert await kinds(ingress) == ["started", "speech"]


@pytest.mark.parametrize("status", ["ringing", "in-progress"])
async def test_a_mere_retry_of_the_first_webhook_stays_one(ingress, status):
    first = await ingress.post("/twilio/voice", CallStatus=status)
    again = await ingress.post("/twilio/voice", CallStatus=status)
    fallen_back = await ingress.post("/twilio/voice", CallStatus=status, ErrorCode="11205")
    assert first.content == again.content == fallen_back.content
    assert await kinds(ingress) == ["started"]


async def test_a_late_copy_of_the_first_webhook_is_still_a_retry(ingress):
    first = await ingress.post("/twilio/voice", CallStatus="ringing")
    await ingress.post("/twilio/turn/1", SpeechResult="one")
    assert (await ingress.post("/twilio/voice", CallStatus="ringing")).content == first.content


async def test_a_call_that_comes_back_to_a_turn_that_runs_waits_for_it(start_ingress, gate):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "started":
            yield "Hello!"
            return
        await gate.wait()
        yield f"You said {turn.text}."

    async with start_ingress(agent=slow) as ingress:
        await ingress.begin()
        lost = asyncio.ensure_future(ingress.post("/twilio/turn/1", SpeechResult="one"))
        await wait_until(lambda: len(ingress.turns) == 2, "the turn was handed over")
        back = asyncio.ensure_future(ingress.twiml("/twilio/voice", **FALLBACK))
        gate.set()
        document = await back
        await lost
        assert (said(document), action_of(document)) == ("You said one.", "/twilio/turn/2")


async def test_new_words_at_a_used_number_are_a_turn_of_their_own(ingress):
    await talked(ingress, "one", "two")
    document = await ingress.twiml("/twilio/turn/1", SpeechResult="something else")
    assert (said(document), action_of(document)) == ("You said something else.", "/twilio/turn/4")
    texts = [record.text for record in (await ingress.state()).turns]
    assert texts == ["", "one", "two", "something else"]


async def test_a_repeated_turn_is_still_a_retry(ingress):
    await ingress.begin()
    first = await ingress.post("/twilio/turn/1", SpeechResult="one")
    await ingress.post("/twilio/turn/2", SpeechResult="two")
    assert (await ingress.post("/twilio/turn/1", SpeechResult="one")).content == first.content
    assert await kinds(ingress) == ["started", "speech", "speech"]


async def test_a_redirect_to_a_used_number_without_words_goes_on_from_the_state(ingress):
    await talked(ingress, "one", "two")
    document = await ingress.twiml("/twilio/turn/1")
    assert (said(document), action_of(document)) == ("You said two.", "/twilio/turn/3")
    assert await kinds(ingress) == ["started", "speech", "speech"]


async def test_the_language_goes_on_too(start_ingress):
    async def swedish(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "started":
            yield SetLanguage(speech="sv-SE", recognition="sv-SE")
        yield "Hej!"

    async with start_ingress(agent=swedish) as ingress:
        document = await ingress.begin()
        await ingress.twiml(action_of(document), SpeechResult="hej")
        back = await ingress.twiml("/twilio/voice", **FALLBACK)
        assert back.find("Gather").get("language") == "sv-SE"
        assert back.find("Gather/Say").get("language") == "sv-SE"
        assert action_of(back).startswith("/twilio/turn/2?")


@pytest.fixture
def connecting():
    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "started":
            yield "Hello!"
        elif turn.text == "a person":
            yield "I connect you."
            yield SendDigits("12")
            yield Transfer("+15550001111")
        elif turn.text == "bye":
            yield "Goodbye then."
            yield HangUp()
        else:
            yield f"You said {turn.text}."

    return agent


async def test_who_comes_back_from_a_person_is_not_connected_again(start_ingress, connecting):
    async with start_ingress(agent=connecting) as ingress:
        await talked(ingress, "a person")
        document = await ingress.twiml("/twilio/voice")
        assert verbs(document) == ["Gather", "Redirect"]
        assert said(document)
        assert "connect you" not in said(document)
        assert action_of(document) == "/twilio/turn/2"
        assert said(await ingress.twiml("/twilio/turn/2", SpeechResult="me again")) == "You said me again."


async def test_a_transfer_whose_document_was_lost_is_carried_out(start_ingress, connecting):
    async with start_ingress(agent=connecting) as ingress:
        await talked(ingress, "a person")
        document = await ingress.twiml("/twilio/voice", **FALLBACK)
        assert document.findtext("Dial/Number") == "+15550001111"


@WAYS_BACK
async def test_a_call_that_has_ended_is_told_goodbye(start_ingress, connecting, fields):
    async with start_ingress(agent=connecting) as ingress:
        await talked(ingress, "bye")
        document = await ingress.twiml("/twilio/voice", **fields)
        assert verbs(document) == ["Say", "Hangup"]
        assert "Goodbye" in said(document)
        assert await kinds(ingress) == ["started", "speech"]


async def test_a_call_that_began_afresh_amid_its_numbers_is_not_greeted_twice(ingress):
    await ingress.twiml("/twilio/turn/7", SpeechResult="lost words")
    document = await ingress.twiml("/twilio/voice", **FALLBACK)
    assert (said(document), action_of(document)) == ("Hello!", "/twilio/turn/8")
    assert await kinds(ingress) == ["started"]


async def test_a_call_that_the_api_began_goes_on_with_a_number(ingress):
    """Turns of the API may have any id; those of the telephone are numbered."""
    turn = {"turn_id": "t1", "text": "from the API"}
    assert (await ingress.client.post(f"/calls/{ingress.call_sid}/turns", json=turn)).status_code == 200
    document = await ingress.twiml("/twilio/voice", **FALLBACK)
    assert (said(document), action_of(document)) == ("You said from the API.", "/twilio/turn/1")


async def is_over(ingress):
    state = await ingress.state()
    return state and state.ended and state.ended.status


ROUTES = ["/twilio/voice", "/twilio/turn/1", "/twilio/turn/1/wait?since=0&attempt=1", "/twilio/relay/ended"]


@pytest.mark.parametrize("status", ["completed", "busy", "no-answer", "failed", "canceled", "COMPLETED"])
@pytest.mark.parametrize("path", ROUTES)
async def test_a_terminal_status_ends_the_call_on_any_route(ingress, path, status):
    await ingress.begin()
    document = await ingress.twiml(path, CallStatus=status)
    assert verbs(document) == []
    assert await wait_until(lambda: is_over(ingress), "the call has ended") == status.lower()
    assert await kinds(ingress) == ["started", "ended"]


@pytest.mark.parametrize("path", ROUTES)
async def test_a_terminal_status_begins_no_call(ingress, path):
    document = await ingress.twiml(path, CallStatus="completed", SpeechResult="hello")
    assert verbs(document) == []
    assert await ingress.state() is None
    assert await ingress.runtime.states.get_active_calls_count() == 0


async def test_the_last_words_of_who_hangs_up_are_kept(ingress):
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", CallStatus="completed", SpeechResult="cancel it, please")
    await wait_until(lambda: is_over(ingress), "the call has ended")
    records = (await ingress.state()).turns
    assert [record.kind for record in records] == ["started", "speech", "ended"]
    assert records[1].text == "cancel it, please"


@WAYS_BACK
async def test_a_relay_call_that_comes_back_goes_on_over_a_new_socket(start_ingress, connecting, fields):
    async with start_ingress(agent=connecting, voice_channel="relay") as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid)
            assert await caller.reply() == "Hello!"
            await caller.prompt("one")
            assert await caller.reply() == "You said one."
        document = await ingress.twiml("/twilio/voice", **fields)
        assert document.find("Connect/ConversationRelay") is not None
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid, "VX2", customParameters=parameters_of(document))
            assert await caller.reply() == "You said one."
            await caller.prompt("two")
            assert await caller.reply() == "You said two."
        assert await kinds(ingress) == ["started", "speech", "speech"]


async def test_who_comes_back_from_a_person_to_a_relay_is_not_connected_again(start_ingress, connecting):
    async with start_ingress(agent=connecting, voice_channel="relay") as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid)
            assert await caller.reply() == "Hello!"
            await caller.prompt("a person")
            assert await caller.reply() == "I connect you."
            await caller.send("info", name="agentSpeaking", value="off")
            while (frame := await caller.frame())["type"] != "end":
                pass
            assert "+15550001111" in frame["handoffData"]
        document = await ingress.twiml("/twilio/voice")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid, "VX2", customParameters=parameters_of(document))
            assert "connect you" not in await caller.reply()
            await caller.prompt("me again")
            assert await caller.reply() == "You said me again."
            assert "end" not in [frame["type"] for frame in caller.frames]


async def test_a_relay_call_that_has_ended_is_told_goodbye(start_ingress, connecting):
    async with start_ingress(agent=connecting, voice_channel="relay") as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid)
            await caller.reply()
            await caller.prompt("bye")
            await caller.reply()
            await wait_until(lambda: is_over(ingress), "the agent has hung up")
        document = await ingress.twiml("/twilio/voice", **FALLBACK)
        assert verbs(document) == ["Say", "Hangup"]


def parameters_of(document):
    return {each.get("name"): each.get("value") for each in document.iter("Parameter")}


async def test_the_replies_of_a_call_that_is_over_are_told_to_no_latecomer(start_ingress, connecting, move_clock):
    async with start_ingress(agent=connecting) as ingress:
        await talked(ingress, "my secret")
        await ingress.post("/twilio/status", CallStatus="completed")
        await wait_until(lambda: is_over(ingress), "the call has ended")
        copy = await ingress.twiml("/twilio/turn/1", SpeechResult="my secret")
        assert said(copy) == "You said my secret.", "it was on its way"
        move_clock(known_call.REPEATED_AFTER_END_SECONDS + 1)
        for path, fields in [
            ("/twilio/voice", {"CallStatus": "ringing"}),
            ("/twilio/voice", FALLBACK),
            ("/twilio/turn/1", {"SpeechResult": "my secret"}),
            ("/twilio/turn/1/wait?since=0&attempt=1", {}),
        ]:
            document = await ingress.twiml(path, **fields)
            assert (said(document), verbs(document)) == ("Goodbye.", ["Say", "Hangup"]), path


async def test_a_reply_is_not_given_again_long_after(ingress, move_clock):
    await talked(ingress, "my secret")
    move_clock(known_call.REPEATED_FOR_SECONDS + 1)
    for path, fields in [("/twilio/turn/1", {"SpeechResult": "my secret"}), ("/twilio/voice", FALLBACK)]:
        document = await ingress.twiml(path, **fields)
        assert said(document) == BACK, "it says nothing of the conversation, and goes on"
        assert action_of(document) == "/twilio/turn/2"


async def test_words_that_met_a_used_number_and_come_again_are_one_turn(ingress):
    await talked(ingress, "one", "two")
    first = await ingress.post("/twilio/turn/1", SpeechResult="something else")
    assert (await ingress.post("/twilio/turn/1", SpeechResult="something else")).content == first.content
    assert len((await ingress.state()).turns) == 4
