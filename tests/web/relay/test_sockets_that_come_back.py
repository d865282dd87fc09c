"""A provider that loses a socket may open another one under the same session id, and repeat what it had sent."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.ingress import CALL
from support.programs import programs, ready
from support.relay import RelaySocket, new_ticket, relay_socket
from support.servers import RedisServer, free_port
from support.waiting import wait_until

from orchestrator.agents.agent_table import AgentTable
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from web.ingress import RelayTimeouts

BURST = 500
"""How many events Twilio keeps for a socket that comes back."""


async def heard_until(caller: RelaySocket, words: str) -> str:
    """Return what the agent says, up to these words."""
    said = ""
    while words not in said:
        said += (await caller.frame()).get("token", "")
    return said


async def recorded(ingress, *texts: str) -> ConversationState:
    """Return the state once it holds turns with these texts."""

    async def state() -> ConversationState | None:
        found = await ingress.state()
        known = [turn.text for turn in found.turns] if found is not None else []
        return found if all(text in known for text in texts) else None

    return await wait_until(state, f"{texts} are recorded", timeout=180)


def texts(state: ConversationState) -> list[str]:
    return [turn.text for turn in state.turns if turn.kind in ("speech", "keys")]


async def test_new_words_under_the_same_session_id_are_answered(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.prompt("one")
        await caller.reply()
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.prompt("two")
        await heard_until(caller, "You said two.")
        await caller.prompt("three")
        await heard_until(caller, "You said three.")
    state = await ingress.state()
    assert texts(state) == ["one", "two", "three"]
    assert len({turn.turn_id for turn in state.turns}) == len(state.turns)


async def test_keys_under_the_same_session_id_are_answered(ingress):
    for keys in ("12", "34"):
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            for key in f"{keys}#":
                await caller.send("dtmf", digit=key)
            await heard_until(caller, f"You said {keys}.")
    assert texts(await ingress.state()) == ["12", "34"]


async def test_what_comes_again_after_it_was_answered_runs_once(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        for words in ("one", "two"):
            await caller.prompt(words)
            await caller.reply()
        for key in "9#":
            await caller.send("dtmf", digit=key)
        await caller.reply()
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        for words in ("one", "two"):
            await caller.prompt(words)
        for key in "9#":
            await caller.send("dtmf", digit=key)
        await caller.prompt("three")
        await heard_until(caller, "You said three.")
    assert texts(await ingress.state()) == ["one", "two", "9", "three"]


async def test_what_comes_again_before_the_setup_runs_once(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.prompt("one")
        await caller.reply()
    async with relay_socket(ingress.url) as caller:
        await caller.prompt("one")
        await caller.prompt("two")
        await caller.setup(CALL)
        await heard_until(caller, "You said two.")
    assert texts(await ingress.state()) == ["one", "two"]


async def test_what_comes_again_before_it_was_answered_runs_once_and_its_reply_is_heard(start_ingress, gate):
    runs: list[str] = []

    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        runs.append(turn.text)
        if turn.text == "look it up":
            await gate.wait()
        yield f"{turn.kind} {turn.text}."

    async with start_ingress(agent=slow) as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.reply()
            await caller.prompt("look it up")
            await wait_until(lambda: "look it up" in runs, "it runs")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.prompt("look it up")
            session = await wait_until(lambda: ingress.app.state.ingress.sessions.find(CALL), "the session has begun")
            await wait_until(lambda: session.playout.is_speaking, "the turn is attached to")
            gate.set()
            await heard_until(caller, "speech look it up.")
            await caller.prompt("thanks")
            await heard_until(caller, "speech thanks.")
    assert runs == ["", "look it up", "thanks"]


async def test_a_reply_that_comes_while_the_call_is_read_is_said_once(start_ingress, gate, monkeypatch):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.text == "look it up":
            await gate.wait()
        yield f"{turn.kind} {turn.text}."

    async with start_ingress(agent=slow) as ingress:
        states = ingress.runtime.states
        read = states.get_confirmed_state

        async def read_late(call_sid: str) -> ConversationState | None:
            gate.set()
            await recorded(ingress, "look it up")
            return await read(call_sid)

        ticket = await new_ticket(ingress.url, CALL)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            await caller.reply()
            await caller.prompt("look it up")
            await wait_until(lambda: "look it up" in [turn.text for turn in ingress.turns], "it runs")
        monkeypatch.setattr(states, "get_confirmed_state", read_late)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            said = await heard_until(caller, "speech look it up.")
            await caller.prompt("thanks")
            said += await heard_until(caller, "speech thanks.")
        assert said.count("look it up") == 1


async def test_a_caller_who_says_the_same_again_is_answered_again(start_ingress):
    async with start_ingress(timeouts={"relay": RelayTimeouts(burst_gap=0.0)}) as ingress:
        for _ in range(2):
            async with relay_socket(ingress.url) as caller:
                await caller.setup(CALL)
                await caller.prompt("yes")
                await heard_until(caller, "You said yes.")
                await caller.prompt("yes")
                await heard_until(caller, "You said yes.")
        assert texts(await ingress.state()) == ["yes"] * 4


async def test_a_new_document_is_no_socket_that_comes_back(start_ingress):
    """Nothing is repeated over it: a caller who says the same thing has said it twice."""
    async with start_ingress(relay_reconnect="off") as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.prompt("hello?")
            await heard_until(caller, "You said hello?.")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, "VX2", customParameters={"lines": "0-99999999999"})
            await caller.prompt("hello?")
            await heard_until(caller, "You said hello?.")
        assert texts(await ingress.state()) == ["hello?", "hello?"]


async def test_a_provider_that_replays_may_do_so_over_a_new_document(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.prompt("hello?")
        await heard_until(caller, "You said hello?.")
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, "VX2", customParameters={"lines": "0-99999999999"})
        await caller.prompt("hello?")
        await caller.prompt("one")
        await heard_until(caller, "You said one.")
    assert texts(await ingress.state()) == ["hello?", "one"]


async def test_words_before_the_setup_are_answered(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.prompt("good day")
        await caller.setup(CALL)
        await heard_until(caller, "You said good day.")
    assert [turn.kind for turn in (await ingress.state()).turns] == ["started", "speech"]


@pytest.mark.parametrize(
    ("count", "overlap"),
    [(30, None), (30, "enqueue"), (30, "merge"), pytest.param(BURST, None, marks=pytest.mark.slow)],
)
async def test_a_burst_of_words_is_kept_whole_and_in_order(start_ingress, count, overlap):
    async def brief(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield f"{turn.kind}."

    async with start_ingress(agent=brief) as ingress:
        runner = ingress.dispatcher.runner
        runner.agents = AgentTable(Agent("brief", brief, overlap=overlap, isolation="inline"))
        async with relay_socket(ingress.url) as caller:
            reading = asyncio.create_task(_read(caller))
            await caller.setup(CALL)
            for number in range(count):
                await caller.prompt(f"words {number}")
            state = await recorded(ingress, f"words {count - 1}")
            assert texts(state) == [f"words {number}" for number in range(count)]
            assert caller.connection.close_code is None
            reading.cancel()


async def _read(caller: RelaySocket) -> None:
    while True:
        await caller.frame()


async def test_words_wait_while_too_many_of_the_call_wait_already(start_ingress, gate):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            await gate.wait()
        yield "."

    async with start_ingress(agent=slow) as ingress:
        runner = ingress.dispatcher.runner
        runner.agents = AgentTable(Agent("slow", slow, overlap="enqueue", isolation="inline"))
        async with relay_socket(ingress.url) as caller:
            reading = asyncio.create_task(_read(caller))
            await caller.setup(CALL)
            for number in range(150):
                await caller.prompt(f"words {number}")
            await wait_until(lambda: len(ingress.turns) == 101, "as many wait as may")
            gate.set()
            state = await recorded(ingress, "words 149")
            assert texts(state) == [f"words {number}" for number in range(150)]
            assert "say that again" not in str(caller.frames)
            reading.cancel()


async def test_what_was_said_into_a_socket_before_it_was_lost_is_kept(start_ingress):
    async with start_ingress() as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.reply()
            for number in range(10):
                await caller.prompt(f"words {number}")
            for key in "12":
                await caller.send("dtmf", digit=key)
            await caller.connection.ping()
            caller.connection.transport.abort()
        state = await recorded(ingress, "words 9", "12")
    assert texts(state) == [*(f"words {number}" for number in range(10)), "12"]


async def test_a_session_that_changes_its_id_to_and_fro_loses_nothing(ingress):
    async with relay_socket(ingress.url) as caller:
        for session_id, words in (("VX1", "one"), ("VX2", "two"), ("VX1", "three")):
            await caller.setup(CALL, session_id)
            await caller.prompt(words)
            await heard_until(caller, f"You said {words}.")
    assert texts(await ingress.state()) == ["one", "two", "three"]


@pytest.mark.processes
async def test_the_same_session_id_at_two_ingresses_loses_nothing_and_runs_nothing_twice(tmp_path: Path, start_redis):
    redis: RedisServer = start_redis()
    with programs(tmp_path, VOICE_CHANNEL="relay") as start:
        ports = [free_port(), free_port()]
        for port in ports:
            start("web", REDIS_URL=redis.url, PORT=str(port))
        start("workers", REDIS_URL=redis.url)
        for port in ports:
            await ready(f"http://127.0.0.1:{port}")
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        async with relay_socket(urls[0], None) as older, relay_socket(urls[1], None) as newer:
            await older.setup("CA1")
            await older.prompt("one")
            await heard_until(older, "You said: one")
            await newer.setup("CA1")
            await newer.prompt("one")
            await newer.prompt("two")
            await heard_until(newer, "You said: two")
            assert await older.closed() == 4000
            await newer.prompt("three")
            await heard_until(newer, "You said: three")
        client = redis.client()
        try:
            state = ConversationState.model_validate_json(client.get("voiceagent:state:CA1"))
        finally:
            client.close()
    assert texts(state) == ["one", "two", "three"]
