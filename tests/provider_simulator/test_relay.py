"""The simulated provider over a relay socket, against a real ingress."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import pytest
from support.ingress import Ingress, started_ingress
from support.relay_server import relay_server
from support.waiting import wait_until
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_sockets
from websockets.exceptions import ConnectionClosed

from orchestrator.conversation.actions import Gather, HangUp, Play, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.provider_simulator import (
    Asked,
    Dialled,
    Event,
    HungUp,
    Interrupted,
    PhoneLine,
    PlaybackSpeed,
    Played,
    Said,
    Speaking,
)


async def clerk(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    if turn.kind == "started":
        yield "Welcome to "
        yield "the office."
    elif turn.text == "person":
        yield "One moment."
        yield Transfer("+15550009999")
    elif turn.text == "bye":
        yield "Goodbye."
        yield HangUp()
    elif turn.text == "music":
        yield "Listen:"
        yield Play("https://example.com/a.mp3")
    elif turn.kind in ("speech", "keys"):
        yield f"You said {turn.text}. "
        yield "Is that right?"
        yield Gather(num_digits=2)


@pytest.fixture
async def ingress() -> AsyncIterator[Ingress]:
    async with started_ingress(agent=clerk, voice_channel="relay") as started:
        yield started


def line_to(ingress: Ingress, **options: Any) -> PhoneLine:
    return PhoneLine(ingress.url, ingress.token, **options)


async def hold(line: PhoneLine, *answers: str, stay: bool = False) -> list[Event]:
    """Answer each question with the next answer, then hang up, or `stay` on the line; everything that happened."""
    left, events = list(answers), []
    async with aclosing(line.call()) as call:
        async for event in call:
            events.append(event)
            if isinstance(event, Asked):
                answer = left.pop(0) if left else None
                if answer is None:
                    if not stay:
                        line.hang_up()
                elif answer.isdecimal():
                    line.answer_keys(answer)
                else:
                    line.answer_speech(answer)
    return events


def said(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Said)]


async def state_of(ingress: Ingress, line: PhoneLine) -> ConversationState:
    async def ended() -> ConversationState | None:
        state = await ingress.runtime.states.get_state(line.call_sid)
        return state if state is not None and state.ended is not None else None

    found = await wait_until(ended, "the call has ended")
    assert found is not None
    return found


async def test_words_are_heard_as_they_are_spoken_and_then_as_a_whole(ingress):
    line = line_to(ingress, speed=PlaybackSpeed(characters_per_second=2000))
    events = await hold(line, "hello", "12")
    first = events.index(Said("Welcome to the office.", interruptible=True, spoken=True))
    assert [event.text for event in events[:first] if isinstance(event, Speaking)] == [
        "Welcome ", "to ", "the ", "office.",
    ]  # fmt: skip
    assert said(events)[1:] == ["You said hello. Is that right?", "You said 12. Is that right?"]
    assert events[-1].by == "caller"
    state = await state_of(ingress, line)
    assert [turn.kind for turn in state.turns] == ["started", "speech", "keys", "ended"]


async def test_who_speaks_over_the_agent_interrupts_with_what_was_spoken(ingress):
    line = line_to(ingress, speed=PlaybackSpeed(characters_per_second=200))
    events: list[Event] = []
    async with aclosing(line.call()) as call:
        async for event in call:
            events.append(event)
            if event == Speaking("to "):
                line.answer_speech("hello")
            elif isinstance(event, Asked):
                line.hang_up()
    assert Interrupted("Welcome to ") in events
    assert said(events) == ["Welcome to ", "You said hello. Is that right?"]
    state = await state_of(ingress, line)
    assert state.record_of("start").heard_text == "Welcome to "


async def test_the_agent_hangs_up_when_it_has_spoken(ingress):
    line = line_to(ingress)
    events = await hold(line, "bye", stay=True)
    assert said(events)[-1] == "Goodbye."
    assert isinstance(events[-1], HungUp)
    assert events[-1].by == "agent"
    assert (await state_of(ingress, line)).ended.reason == "agent hung up"


async def test_a_transfer_dials(ingress):
    events = await hold(line_to(ingress), "person", stay=True)
    assert Dialled("+15550009999", "completed") in events


async def test_a_file_is_played(ingress):
    events = await hold(line_to(ingress), "music")
    assert Played(url="https://example.com/a.mp3") in events


@pytest.mark.parametrize(
    ("relay_reconnect", "words"),
    [("off", ["Welcome to ", "Welcome to the office."]), ("auto", ["Welcome to the office."])],
)
async def test_a_lost_socket_is_opened_again_and_the_call_goes_on(relay_reconnect, words):
    async with started_ingress(agent=clerk, voice_channel="relay", relay_reconnect=relay_reconnect) as ingress:
        await lose_and_go_on(ingress, words)


async def lose_and_go_on(ingress: Ingress, words: list[str]) -> None:
    line = line_to(ingress, speed=PlaybackSpeed(characters_per_second=100))
    events: list[Event] = []
    async with aclosing(line.call()) as call:
        async for event in call:
            events.append(event)
            if event == Speaking("to ") and len(events) < 5:
                await line.drop_socket()
            elif isinstance(event, Asked) and "You said hello. Is that right?" not in said(events):
                line.answer_speech("hello")
            elif isinstance(event, Asked):
                line.hang_up()
    assert said(events) == [*words, "You said hello. Is that right?"]
    state = await state_of(ingress, line)
    assert [turn.kind for turn in state.turns] == ["started", "speech", "ended"]


async def test_a_word_tells_whether_its_server_had_received_what_the_caller_said_last(serve):
    has_spoken = asyncio.Event()

    async def talk(socket: ServerConnection) -> None:
        async def say(token: str) -> None:
            await socket.send(json.dumps({"type": "text", "token": token, "last": False}))

        await socket.recv()
        await say("before ")
        await has_spoken.wait()
        socket.transport.pause_reading()
        await say("meanwhile ")
        socket.transport.resume_reading()
        while json.loads(await socket.recv())["type"] != "prompt":
            pass
        with suppress(ConnectionClosed):
            while True:  # until the caller knows
                await (await socket.ping())
                await say("after ")

    async with serve_sockets(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        relay = f'<Connect><ConversationRelay url="ws://127.0.0.1:{port}/relay"/></Connect>'
        there = await serve({"/twilio/voice": relay, "/twilio/status": ""})
        line = PhoneLine(there.url)
        heard: list[tuple[str, bool]] = []
        async with aclosing(line.call()) as call:
            async for event in call:
                if isinstance(event, Speaking):
                    heard.append((event.text, event.unaware))
                    if event.text == "before ":
                        line.answer_speech("hello")
                        has_spoken.set()
                    elif not event.unaware:
                        line.hang_up()
    assert heard[:2] == [("before ", False), ("meanwhile ", True)]
    assert heard[-1] == ("after ", False)


async def test_words_that_nobody_asked_for_are_heard_each_with_a_chance_to_answer(serve) -> None:
    async with relay_server() as relay:
        connect = f'<Connect action="/ended"><ConversationRelay url="{relay.url}"/></Connect>'
        there = await serve({"/twilio/voice": connect, "/ended": "<Hangup/>"})
        line, events = PhoneLine(there.url), []

        async def speak() -> None:
            await wait_until(lambda: bool(relay.sockets) and line.is_heard, "the session is open")
            for number in range(1, 3):
                await relay.say(f"By the way, {number}.")
                asked = f"the caller may answer, {number}"
                await wait_until(lambda number=number: sum(isinstance(e, Asked) for e in events) == number, asked)
            await relay.end()

        speaking = asyncio.create_task(speak())
        async for event in line.call():
            events.append(event)
        await speaking
    assert said(events) == ["By the way, 1.", "By the way, 2."]
