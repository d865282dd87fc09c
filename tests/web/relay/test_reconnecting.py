"""A lost socket is not a lost call."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from support.ingress import CALL
from support.relay import relay_socket
from support.waiting import wait_until

from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn


def lost_at(seconds_ago: float = 0) -> dict[str, Any]:
    return {"customParameters": {"lostAt": str(time.time() - seconds_ago)}}


async def story(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    if turn.kind == "started":
        yield "Hello! What may I tell you?"
    elif turn.kind == "speech":
        yield "Once there was a king. He had three daughters. The youngest was the fairest."


async def test_a_lost_socket_is_answered_with_a_new_one(ingress):
    document = await ingress.twiml(
        "/twilio/relay/ended?since=1000.0&attempt=0", SessionStatus="failed", SessionDuration="12", ErrorCode="39001"
    )
    assert document.find("Connect/ConversationRelay") is not None
    assert document.find("Connect/ConversationRelay/Parameter").attrib == {"name": "lostAt", "value": "1012.000"}


async def test_sockets_that_fail_again_and_again_end_in_an_apology(ingress):
    document = await ingress.twiml("/twilio/relay/ended?attempt=10", SessionStatus="failed", SessionDuration="0")
    assert [verb.tag for verb in document] == ["Say", "Hangup"]


async def test_the_call_goes_on_without_a_greeting_and_says_what_was_not_heard(start_ingress):
    async with start_ingress(agent=story) as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.reply()
            await caller.prompt("a story")
            await caller.reply()
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, "VX2", **lost_at(-3))  # three seconds after the reply was there
            assert await caller.reply() == "He had three daughters. The youngest was the fairest."
            await caller.send("interrupt", utteranceUntilInterrupt="He had", durationUntilInterruptMs=400)
            await caller.prompt("go on")
            await caller.reply()
        state = await ingress.state()
    assert [turn.turn_id for turn in state.turns] == ["start", "VX1-1", "VX2-1", "VX2-2"]
    assert state.record_of("VX1-1").heard == "Once there was a king. He had"


async def test_what_was_surely_heard_is_not_said_again(start_ingress):
    async with start_ingress(agent=story) as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.reply()
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, "VX2", **lost_at(-60))
            await caller.prompt("a story")
            assert (await caller.reply()).startswith("Once")


async def test_a_reply_that_came_while_the_line_was_lost_is_said(start_ingress, gate):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            await gate.wait()
            yield "Here it is."
        else:
            yield "Hello!"

    async with start_ingress(agent=slow) as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.reply()
            await caller.prompt("look it up")
            await wait_until(lambda: len(ingress.turns) == 2, "the turn was handed over")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, "VX2", **lost_at())
            gate.set()
            assert await caller.reply() == "Here it is."
        assert len((await ingress.state()).turns) == 2


async def test_an_end_that_was_not_carried_out_is_carried_out(start_ingress):
    async def curt(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "Goodbye!"
        yield HangUp()

    async with start_ingress(agent=curt) as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.reply()
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, "VX2", **lost_at())
            assert await caller.reply() == "Goodbye!"
            await caller.send("info", name="agentSpeaking", value="off")
            assert (await caller.frame())["type"] == "end"


async def test_the_newer_of_two_sockets_has_the_call(ingress):
    async with relay_socket(ingress.url) as older, relay_socket(ingress.url) as newer:
        await older.setup(CALL)
        await older.reply()
        await newer.setup(CALL, "VX2", **lost_at(-60))
        assert await older.closed() == 4000
        await newer.prompt("me")
        assert await newer.reply() == "You said me."


async def test_a_second_setup_changes_no_more_than_the_session(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.setup(CALL, "VX2")
        await caller.setup("CA-another", "VX3")
        await caller.prompt("me")
        assert await caller.reply() == "You said me."
    assert ingress.turns[-1].turn_id == "VX2-1"
    assert ingress.turns[-1].call_sid == CALL


async def test_leaving_lets_a_reply_be_spoken_and_closes_the_idle_at_once(start_ingress):
    async def long_winded(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "Hello, " + "and hello again, " * 20

    async with (
        start_ingress(agent=long_winded) as ingress,
        relay_socket(ingress.url) as speaking,
        relay_socket(ingress.url) as idle,
    ):
        for caller, call_sid in ((speaking, "CA1"), (idle, "CA2")):
            await caller.setup(call_sid)
            await caller.reply()
        await idle.send("info", name="agentSpeaking", value="off")
        leaving = asyncio.create_task(ingress.app.state.ingress.relay.drain(30))
        assert await idle.closed() == 1012
        assert speaking.connection.close_code is None
        await speaking.send("info", name="agentSpeaking", value="off")
        assert await speaking.closed() == 1012
        await leaving
