"""A lost socket is not a lost call."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.ingress import CALL, QUICK, Ingress
from support.relay import relay_socket
from support.waiting import wait_until

from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable, StoreUnconfirmed
from web.ingress import RelayTimeouts
from web.twilio.relay.connection_history import MAX_CONNECTIONS, ConnectionHistory, read_history
from web.twilio.twiml import APOLOGY, FILLERS


def lost_at(seconds_ago: float = 0) -> dict[str, Any]:
    return {"customParameters": {"lines": f"0-{time.time() - seconds_ago}"}}


async def lost_after(ingress: Ingress, seconds: float) -> dict[str, Any]:
    """The same, so many seconds after the last reply was produced, however long that is ago."""
    state = await ingress.state()
    assert state is not None
    return {"customParameters": {"lines": f"0-{state.turns[-1].committed_at.timestamp() + seconds}"}}


async def story(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    if turn.kind == "started":
        yield "Hello! What may I tell you?"
    elif turn.kind == "speech":
        yield "Once there was a king. He had three daughters. The youngest was the fairest."


async def test_a_lost_socket_is_answered_with_a_new_one(ingress):
    document = await ingress.twiml(
        "/twilio/relay/ended?since=1000.0&lines=900.000-950.000",
        SessionStatus="failed",
        SessionDuration="12",
        ErrorCode="39001",
    )
    assert document.find("Connect/ConversationRelay") is not None
    assert document.find("Connect/ConversationRelay/Parameter").attrib == {
        "name": "lines",
        "value": "900.000-950.000 1000.000-1012.000",
    }


async def test_sockets_that_fail_again_and_again_end_in_an_apology(ingress):
    now = time.time()
    query = f"since={now - 1}&failing={now - 61}"
    document = await ingress.twiml(f"/twilio/relay/ended?{query}", SessionStatus="failed", SessionDuration="0")
    assert [verb.tag for verb in document] == ["Say", "Hangup"]


async def test_the_call_goes_on_without_a_greeting_and_says_what_was_not_heard(start_ingress):
    async with start_ingress(agent=story) as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.reply()
            await caller.prompt("a story")
            await caller.reply()
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, "VX2", **await lost_after(ingress, 3))
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
            await caller.setup(CALL, "VX2", **await lost_after(ingress, 0))
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
        leaving = asyncio.create_task(ingress.app.state.ingress.sessions.drain(30))
        assert await idle.closed() == 1012
        assert speaking.connection.close_code is None
        await speaking.send("info", name="agentSpeaking", value="off")
        assert await speaking.closed() == 1012
        await leaving


async def test_a_caller_who_speaks_before_the_rest_is_said_does_not_hear_it(start_ingress):
    async with start_ingress(agent=story) as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.reply()
            await caller.prompt("a story")
            await caller.reply()
        lost = await lost_after(ingress, 3)
        ingress.trouble(StoreUnavailable("away"))
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, "VX2", **lost)
            await caller.prompt("something else")
            assert await caller.reply() == "One moment please."
            ingress.trouble(None)
            assert (await caller.reply()).startswith("Once there was a king.")
        state = await ingress.state()
    assert [turn.turn_id for turn in state.turns] == ["start", "VX1-1", "VX2-0", "VX2-1"]
    assert state.record_of("VX1-1").heard == "Once there was a king. "


def forks_of(ingress: Ingress, monkeypatch: pytest.MonkeyPatch) -> list[ConversationState]:
    """The states from which a call is continued in this process, while its turns are in the store."""
    forked: list[ConversationState] = []

    async def run_locally(state: ConversationState) -> None:
        forked.append(state)

    monkeypatch.setattr(ingress.dispatcher, "run_locally", run_locally)
    return forked


async def test_a_caller_is_held_and_the_call_not_run_here_while_replicas_do_not_confirm(start_ingress, monkeypatch):
    held = {**QUICK, "hold": 3600, "relay": RelayTimeouts(outage=0.05, store=0.05)}
    async with start_ingress(agent=story, timeouts=held) as ingress:
        forked = forks_of(ingress, monkeypatch)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.reply()
            ingress.trouble(StoreUnconfirmed())
            await caller.send("info", name="agentSpeaking", value="off")
            await caller.prompt("a story")
            for filler in FILLERS[:2]:
                assert await caller.reply() == filler
                await caller.send("info", name="agentSpeaking", value="off")
            ingress.trouble(None)
            while (said := await caller.reply()) in FILLERS:
                pass
            assert said.startswith("Once there was a king.")
        assert forked == []
        assert [turn.turn_id for turn in (await ingress.state()).turns] == ["start", "VX1-1"]


async def test_a_caller_is_not_held_without_limit_while_replicas_do_not_confirm(start_ingress, monkeypatch):
    async with (
        start_ingress(agent=story, timeouts={**QUICK, "hold": 0}) as ingress,
        relay_socket(ingress.url) as caller,
    ):
        forked = forks_of(ingress, monkeypatch)
        await caller.setup(CALL)
        await caller.reply()
        ingress.trouble(StoreUnconfirmed())
        await caller.send("info", name="agentSpeaking", value="off")
        await caller.prompt("a story")
        assert await caller.reply() == APOLOGY
        assert forked == []


def test_a_reply_was_spoken_for_as_long_as_the_longest_time_on_one_line():
    lines = ConnectionHistory().with_lost(100, 160).with_lost(161, 162).with_lost(170, 175)
    assert lines.spoken_seconds(130) == 30
    assert lines.spoken_seconds(150, uncertain_until=158) == 5
    assert lines.spoken_seconds(171) == 4
    assert lines.spoken_seconds(400) < 0
    assert ConnectionHistory().spoken_seconds(100) == 0


def test_lines_come_back_as_they_were_and_only_the_last_ones():
    lines = ConnectionHistory()
    for number in range(9):
        lines = lines.with_lost(number * 10, number * 10 + 5)
    assert len(lines.spans) == MAX_CONNECTIONS
    assert read_history(str(lines)) == lines
    assert not read_history("").any
    assert read_history("x-y 1 nan-2 5-3 inf-inf 1-2").spans == ((1.0, 2.0),)
