"""Twilio opens a lost socket again by itself (`applicationReconnect`): nothing runs twice or is said twice."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from support.ingress import CALL, Ingress, settings_with
from support.programs import Start, programs, ready
from support.relay import RelaySocket, new_ticket, relay_socket, ticket_in
from support.servers import RedisServer, free_port
from support.waiting import wait_until

from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.provider_simulator import Asked, PhoneLine, RelayReconnect, Said
from orchestrator.provider_simulator.identity import CallIdentity
from web.twilio.relay.connect import provider_reconnects

BEGIN = "/twilio/voice"


async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    yield f"{turn.kind} {turn.text}."


@pytest.fixture
def story(gate: asyncio.Event) -> Any:
    """An agent that tells a story in two parts, the second when the gate is open."""

    async def tell(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.text == "story":
            yield "Once upon "
            await gate.wait()
            yield "a time."
        elif turn.text == "bye":
            yield "Good"
            await gate.wait()
            yield "bye."
            yield HangUp()
        else:
            yield f"{turn.kind} {turn.text}."

    return tell


async def lose(ingress: Ingress, caller: RelaySocket) -> None:
    """Cut the socket; return when the ingress has noticed."""
    caller.connection.transport.abort()
    await wait_until(lambda: ingress.app.state.ingress.sessions.find(CALL) is None, "the loss is noticed")


async def ticket_of(ingress: Ingress) -> str:
    return await new_ticket(ingress.url, CALL, path=BEGIN)


def texts(state: ConversationState | None) -> list[str]:
    return [turn.text for turn in state.turns if turn.kind in ("speech", "keys")] if state else []


@pytest.mark.parametrize(("setting", "value"), [("auto", "true"), ("off", None)])
async def test_twilio_is_asked_to_reconnect(start_ingress, setting: str, value: str | None) -> None:
    async with start_ingress(voice_channel="relay", relay_reconnect=setting) as ingress:
        document = await ingress.begin()
        (relay,) = document.iter("ConversationRelay")
        assert relay.get("applicationReconnect") == value
        assert ticket_in(document)


@pytest.mark.parametrize("provider", ["telnyx", "signalwire"])
def test_other_providers_are_not_asked_to(provider: str) -> None:
    assert not provider_reconnects(settings_with(relay_reconnect="auto"), provider)


@pytest.mark.parametrize("session_id", ["VX1", "VX2"])
async def test_what_was_heard_is_not_said_again(start_ingress, session_id: str) -> None:
    async with start_ingress(agent=slow, voice_channel="relay") as ingress:
        ticket = await ticket_of(ingress)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            assert await caller.reply() == "started ."
            await caller.prompt("one")
            assert await caller.reply() == "speech one."
            await lose(ingress, caller)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, session_id, ticket=ticket)
            await caller.prompt("one")
            await caller.prompt("two")
            assert await caller.reply() == "speech two."
        assert texts(await ingress.state()) == ["one", "two"]


@pytest.mark.parametrize("session_id", ["VX1", "VX2"])
@pytest.mark.parametrize("is_finished", [False, True])
async def test_a_reply_goes_on_where_the_socket_was_lost(
    start_ingress, story: Any, gate: asyncio.Event, session_id: str, is_finished: bool
) -> None:
    async with start_ingress(agent=story, voice_channel="relay") as ingress:
        ticket = await ticket_of(ingress)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            await caller.reply()
            await caller.prompt("story")
            assert (await caller.frame())["token"] == "Once upon "
            await lose(ingress, caller)
        if is_finished:
            gate.set()
            await wait_until(lambda: is_recorded(ingress, "story"), "the agent has finished")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, session_id, ticket=ticket)
            await caller.prompt("story")
            gate.set()
            assert await caller.reply() == "a time."
            await caller.prompt("two")
            assert await caller.reply() == "speech two."
        assert texts(await ingress.state()) == ["story", "two"]


async def is_recorded(ingress: Ingress, text: str) -> bool:
    return text in texts(await ingress.state())


async def test_a_hang_up_that_was_not_carried_out_is(start_ingress, story: Any, gate: asyncio.Event) -> None:
    async with start_ingress(agent=story, voice_channel="relay") as ingress:
        ticket = await ticket_of(ingress)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            await caller.reply()
            await caller.prompt("bye")
            assert (await caller.frame())["token"] == "Good"
            await lose(ingress, caller)
        gate.set()
        await wait_until(lambda: is_recorded(ingress, "bye"), "the agent has finished")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            assert await caller.reply() == "bye."
            assert (await caller.frame())["type"] == "end"


@pytest.mark.parametrize("repeats", [1, 2])
async def test_an_interruption_that_comes_again_is_noted_once(start_ingress, repeats: int) -> None:
    """The provider goes on speaking while there is no socket, and the caller talks over that."""

    async def long(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "This takes long to tell. " * 40 if turn.text == "story" else f"{turn.kind} {turn.text}."

    async with start_ingress(agent=long, voice_channel="relay") as ingress:
        ticket = await ticket_of(ingress)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            await caller.reply()
            await caller.prompt("story")
            await caller.reply()
            await lose(ingress, caller)
        for number in range(repeats):
            async with relay_socket(ingress.url) as caller:
                await caller.setup(CALL, ticket=ticket)
                await caller.send("interrupt", utteranceUntilInterrupt="This takes long", durationUntilInterruptMs="1")
                await caller.prompt("enough")
                if number == 0:
                    assert await caller.reply() == "speech enough."
                await caller.prompt(f"more {number}")
                assert await caller.reply() == f"speech more {number}."
                await lose(ingress, caller)
        state = await ingress.state()
        assert state is not None
        assert [turn.heard for turn in state.turns if turn.text == "story"] == ["This takes long"]
        assert [turn.text for turn in state.turns if turn.kind == "interrupted"] == ["This takes long"]


@pytest.mark.parametrize(
    ("utterance", "heard"), [("", "Once upon "), ("a", "Once upon a"), ("Once upon a", "Once upon a")]
)
async def test_a_reply_that_goes_on_is_interrupted(
    start_ingress, story: Any, gate: asyncio.Event, utterance: str, heard: str
) -> None:
    """The provider may speak the rest as an utterance of its own, or not."""
    async with start_ingress(agent=story, voice_channel="relay") as ingress:
        ticket = await ticket_of(ingress)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            await caller.reply()
            await caller.prompt("story")
            assert (await caller.frame())["token"] == "Once upon "
            await lose(ingress, caller)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            gate.set()
            assert await caller.reply() == "a time."
            await caller.send("interrupt", utteranceUntilInterrupt=utterance, durationUntilInterruptMs=1)
            await caller.prompt("two")
            assert await caller.reply() == "speech two."
        state = await ingress.state()
        assert state is not None
        assert [turn.heard for turn in state.turns if turn.text == "story"] == [heard]


async def test_an_interruption_of_what_was_said_before_a_reply_began_ends_nothing(
    start_ingress, gate: asyncio.Event
) -> None:
    async def tell(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.text == "wait":
            await gate.wait()
        yield "This takes long to tell. " * 40 if turn.text == "long" else f"{turn.kind} {turn.text}."

    async with start_ingress(agent=tell, voice_channel="relay") as ingress:
        ticket = await ticket_of(ingress)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            await caller.reply()
            await caller.prompt("long")
            await caller.reply()
            await caller.prompt("wait")
            await wait_until(lambda: any(turn.text == "wait" for turn in ingress.turns), "it is submitted")
            await lose(ingress, caller)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, ticket=ticket)
            session = await wait_until(lambda: ingress.app.state.ingress.sessions.find(CALL), "the session has begun")
            await wait_until(lambda: session.playout.is_speaking, "the turn is attached to")
            await caller.send("interrupt", utteranceUntilInterrupt="This takes", durationUntilInterruptMs=1)
            gate.set()
            await caller.prompt("more")
            while await caller.reply() != "speech more.":
                pass


POLICIES = [
    RelayReconnect(keeps_session=keeps, replays=replays, fires_action=fires)
    for keeps in (True, False)
    for replays in ("unsent", "repeated", "reversed")
    for fires in (False, True)
]


def name(policy: RelayReconnect) -> str:
    return f"{policy.keeps_session}-{policy.replays}-{policy.fires_action}"


@pytest.mark.parametrize("policy", POLICIES, ids=name)
async def test_each_word_runs_once_whatever_the_provider_does(start_ingress, policy: RelayReconnect) -> None:
    async with start_ingress(agent=slow, voice_channel="relay") as ingress:
        line = PhoneLine(ingress.url, "12345", relay_reconnect=policy, identity=CallIdentity(call_sid=CALL))
        said, words, count = [], ["one", "two", "three", "four"], 0
        async with aclosing(line.call()) as call:
            async for event in call:
                if isinstance(event, Said):
                    said.append(event.text)
                if isinstance(event, Asked):
                    count += 1
                    if count == 3:
                        ingress.app.state.ingress.sessions.find(CALL).close_connection(1011, "a test")
                    if not words:
                        line.hang_up()
                    else:
                        line.answer_speech(words.pop(0))
        state = await ingress.state()
    assert sorted(texts(state)) == ["four", "one", "three", "two"]
    assert [text for text in said if said.count(text) > 1] == []


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with programs(tmp_path, VOICE_CHANNEL="relay") as start:
        yield start


@pytest.mark.processes
@pytest.mark.parametrize("is_killed", [False, True])
async def test_whichever_ingress_takes_the_socket(start: Start, start_redis, is_killed: bool) -> None:
    redis: RedisServer = start_redis()
    ports = [free_port(), free_port()]
    first, _ = (start("web", REDIS_URL=redis.url, PORT=str(port)) for port in ports)
    start("workers", REDIS_URL=redis.url)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    for url in urls:
        await ready(url)
    ticket = await new_ticket(urls[0], CALL, None, path=BEGIN)
    async with relay_socket(urls[0], None) as caller:
        await caller.setup(CALL, ticket=ticket)
        await caller.reply()
        for words in ("one", "two"):
            await caller.prompt(words)
            assert await caller.reply() == f"You said: {words}"
        if is_killed:
            first.kill()
        else:
            caller.connection.transport.abort()
    async with relay_socket(urls[1], None) as caller:
        await caller.setup(CALL, ticket=ticket)
        await caller.prompt("two")
        await caller.prompt("three")
        said = await caller.reply()
        if is_killed:  # nobody knows what was sent: its last sentence may come again
            said = await caller.reply() if said == "You said: two" else said
        assert said == "You said: three"
