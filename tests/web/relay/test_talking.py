"""A relay call over a real socket: what the caller says, presses and hears."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from support.ingress import CALL
from support.relay import relay_socket
from support.waiting import wait_until

from orchestrator.conversation.actions import Gather, HangUp, Play, SendDigits, SetLanguage, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.pending_reply import PendingReply
from web.ingress import RelayTimeouts
from web.twilio.relay.call_reader import CallReader
from web.twilio.relay.spoken_reply import SpokenReply

CHECKED_OFTEN = {"relay": RelayTimeouts(stall=0.05)}


async def test_a_call_is_connected_with_the_relay(start_ingress):
    async with start_ingress(voice_channel="relay", public_base_url=None) as ingress:
        document = await ingress.begin()
        relay = document.find("Connect/ConversationRelay")
        assert relay.get("url") == ingress.url.replace("http", "ws") + "/twilio/relay"
        assert document.find("Connect").get("action").startswith("/twilio/relay/ended?")


async def test_the_agent_greets_and_answers(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        assert await caller.reply() == "Hello!"
        await caller.prompt("good day", last=True)
        assert await caller.reply() == "You said good day."
    state = await ingress.state()
    assert [turn.turn_id for turn in state.turns] == ["start", "VX1-1"]
    assert (state.channel, state.from_number, state.to_number) == ("relay", "+1", "+2")


async def test_tokens_come_as_they_are_produced_spaces_and_all(start_ingress, gate):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield " Once "
        await gate.wait()
        yield "upon a  time "

    async with start_ingress(agent=slow) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        assert await caller.frame() == {"type": "text", "token": " Once ", "last": False}
        gate.set()
        assert await caller.frame() == {"type": "text", "token": "upon a  time ", "last": False}
        assert await caller.frame() == {"type": "text", "token": "", "last": True}


async def test_partial_prompts_are_not_turns_and_a_missing_last_means_true(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.prompt("I", last=False)
        await caller.prompt("I need", last=False)
        await caller.prompt("I need help")
        assert await caller.reply() == "You said I need help."
    assert [turn.kind for turn in ingress.turns] == ["started", "speech"]


async def keys_of_four(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Says what keys were pressed, and collects four."""
    yield f"{turn.kind} {turn.digits}"
    yield Gather(num_digits=4)


async def test_keys_are_one_turn_by_count_and_by_finishing_key(start_ingress):
    patient = {"relay": RelayTimeouts(key_pause=3600)}
    async with (
        start_ingress(agent=keys_of_four, timeouts=patient) as ingress,
        relay_socket(ingress.url) as caller,
    ):
        await caller.setup(CALL)
        await caller.reply()
        for key in "1234":
            await caller.send("dtmf", digit=key)
        assert await caller.reply() == "keys 1234"
        for key in "56#":
            await caller.send("dtmf", digit=key)
        assert await caller.reply() == "keys 56"


async def test_keys_are_one_turn_after_a_pause(start_ingress):
    brief = {"relay": RelayTimeouts(key_pause=0.05)}
    async with start_ingress(agent=keys_of_four, timeouts=brief) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.send("dtmf", digit="7")
        assert await caller.reply() == "keys 7"


async def test_every_action_has_its_frame(start_ingress):
    async def acting(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "One."
        yield SetLanguage(speech="sv-SE", recognition="en-US")
        yield Play("https://example.com/a.mp3", interruptible=False)
        yield SendDigits("9ww1")
        yield Transfer("+15550009999", reason="wishes it")

    async with start_ingress(agent=acting) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        assert await caller.reply() == "One."
        assert await caller.frame() == {"type": "language", "ttsLanguage": "sv-SE", "transcriptionLanguage": "en-US"}
        assert await caller.frame() == {
            "type": "play", "source": "https://example.com/a.mp3", "loop": 1, "preemptible": False,
            "interruptible": False,
        }  # fmt: skip
        assert await caller.frame() == {"type": "sendDigits", "digits": "9ww1"}
        await caller.send("info", name="agentSpeaking", value="off")
        end = await caller.frame()
        handoff = json.loads(end["handoffData"])
        assert (end["type"], handoff["reasonCode"], handoff["to"]) == ("end", "live-agent-handoff", "+15550009999")

        document = await ingress.twiml("/twilio/relay/ended", SessionStatus="ended", HandoffData=end["handoffData"])
        assert document.findtext("Dial/Number") == "+15550009999"


async def test_hanging_up_ends_the_session_and_the_call(start_ingress):
    async def brief(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "Bye!"
        yield HangUp()

    async with start_ingress(agent=brief) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        assert await caller.reply() == "Bye!"
        end = await caller.frame()
        assert end["type"] == "end"
        document = await ingress.twiml("/twilio/relay/ended", SessionStatus="ended", HandoffData=end["handoffData"])
        assert [verb.tag for verb in document] == ["Hangup"]
        assert (await ingress.state()).ended is not None


async def test_the_caller_hanging_up_ends_the_call(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
    document = await ingress.twiml("/twilio/relay/ended", SessionStatus="completed", CallStatus="completed")
    assert [verb.tag for verb in document] == []
    state = await wait_until(lambda: _ended(ingress), "the call has ended")
    assert state.turns[-1].kind == "ended"


async def _ended(ingress) -> ConversationState | None:
    state = await ingress.state()
    return state if state is not None and state.ended is not None else None


async def test_no_room_is_said_politely(start_ingress):
    async with (
        start_ingress(max_active_calls=1) as ingress,
        relay_socket(ingress.url) as first,
        relay_socket(ingress.url) as second,
    ):
        await first.setup("CA1")
        assert await first.reply() == "Hello!"
        await second.setup("CA2")
        assert "busy" in await second.reply()
        assert (await second.frame())["type"] == "end"


async def test_an_agent_that_is_slow_is_heard_after_all(start_ingress, monkeypatch):
    checks, find = [], CallReader.find

    async def counted_find(reader: CallReader, turn_id: str) -> PendingReply | None:
        checks.append(turn_id)
        return await find(reader, turn_id)

    monkeypatch.setattr(CallReader, "find", counted_find)

    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "One, "
        await wait_until(lambda: len(checks) >= 2, "the store was asked for the silent turn")
        yield "two, "
        await wait_until(lambda: len(checks) >= 4, "the store was asked again")
        yield "three."

    async with start_ingress(agent=slow, timeouts=CHECKED_OFTEN) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        assert await caller.reply() == "One, two, three."


async def test_a_reply_that_comes_while_the_store_takes_long_is_heard(start_ingress, monkeypatch):
    """The silence counts as it was when the check began: the words have come before its end, and are not spoken yet."""
    is_checked, find, was_found = asyncio.Event(), CallReader.find, False

    async def slow_find(reader: CallReader, turn_id: str) -> PendingReply | None:
        nonlocal was_found
        pending = await find(reader, turn_id)
        is_checked.set()
        await wait_until(lambda: pending is None or pending.result is not None, "the reply has come")
        was_found = True
        return pending

    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        await is_checked.wait()
        yield "Hello after all."

    monkeypatch.setattr(CallReader, "find", slow_find)
    monkeypatch.setattr(SpokenReply, "silent_seconds", property(lambda reply: 1000.0 if was_found else 0.0))
    async with start_ingress(agent=slow, timeouts=CHECKED_OFTEN) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        assert await caller.reply() == "Hello after all."
