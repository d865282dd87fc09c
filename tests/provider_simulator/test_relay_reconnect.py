"""A relay's lost socket comes back: what the server gets then, in every way that Twilio leaves open."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from support.relay_server import RelayServer, relay_server
from support.waiting import wait_until

from orchestrator.provider_simulator import Event, PhoneLine, RelayReconnect, Said, Waiting

BYE = "<Say>Goodbye.</Say><Hangup/>"


def connect(server: RelayServer, attributes: str = 'applicationReconnect="true"') -> str:
    return f'<Connect action="/ended"><ConversationRelay url="{server.url}" {attributes}/></Connect>'


async def hold(line: PhoneLine, script: Callable[[], Awaitable[None]]) -> list[Event]:
    """Make the call while the script runs."""
    events: list[Event] = []
    running = asyncio.ensure_future(script())
    async with asyncio.timeout(60), aclosing(line.call()) as call:
        async for event in call:
            events.append(event)
    await running
    return events


@dataclass
class Scene:
    """One call: a word before the loss, two while there is no socket, one after it."""

    line: PhoneLine
    server: RelayServer
    gate: asyncio.Event

    async def lose_and_come_back(self, lose: Callable[[], Awaitable[None]]) -> None:
        await self.say_and_wait("one", 0)
        await lose()
        await wait_until(lambda: self.server.connections[0].state.name == "CLOSED", "the socket is lost")
        await wait_until(lambda: self.line.answer_speech("two"), "the caller speaks")
        self.line.answer_speech("three")
        self.gate.set()
        await wait_until(lambda: len(self.server.sockets) == 2, "a second socket is opened")
        await wait_until(lambda: {"two", "three"} <= {*self.server.words(1)}, "what was said meanwhile arrives")
        await self.say_and_wait("four", 1)

    async def say_and_wait(self, words: str, number: int) -> None:
        await wait_until(lambda: len(self.server.sockets) > number and self.line.is_heard, "the caller is heard")
        self.line.answer_speech(words)
        await wait_until(lambda: words in self.server.words(number), f"{words} arrives")


@pytest.mark.parametrize(
    ("replays", "words"),
    [
        ("unsent", ["two", "three", "four"]),
        ("repeated", ["one", "two", "three", "four"]),
        ("reversed", ["three", "two", "four"]),
    ],
)
@pytest.mark.parametrize("keeps_session", [True, False])
async def test_what_happened_meanwhile_is_sent_into_the_new_socket(
    serve, replays: Any, words: list[str], keeps_session: bool
) -> None:
    gate = asyncio.Event()
    async with relay_server() as server:
        there = await serve({"/twilio/voice": connect(server), "/ended": BYE})
        policy = RelayReconnect(keeps_session=keeps_session, replays=replays, gate=gate)
        line = PhoneLine(there.url, relay_reconnect=policy)

        async def script() -> None:
            await Scene(line, server, gate).lose_and_come_back(line.drop_socket)
            await server.say("Hello again.")
            await server.end()

        events = await hold(line, script)
    assert server.words(1) == words
    assert (server.session(0) == server.session(1)) is keeps_session
    assert "/ended" in there.paths(), "the session ended as if nothing had been"
    assert there.webhooks[1].form["SessionStatus"] == "ended"
    assert Said("Hello again.", interruptible=True, spoken=True) in events
    assert [event.text for event in events if isinstance(event, Waiting)] == [
        "The socket was lost, and is opened again."
    ]


async def test_the_action_may_be_fired_all_the_same_and_the_next_session_gets_the_events(serve) -> None:
    async with relay_server() as server:
        there = await serve({"/twilio/voice": connect(server), "/ended": [connect(server), BYE]})
        there.gates["/ended"] = asyncio.Event()
        line = PhoneLine(there.url, relay_reconnect=RelayReconnect(fires_action=True, replays="repeated"))

        async def script() -> None:
            scene = Scene(line, server, there.gates["/ended"])
            await scene.say_and_wait("one", 0)
            await line.drop_socket()
            await wait_until(lambda: "/ended" in there.paths(), "the loss is reported")
            there.gates["/ended"].set()
            await scene.say_and_wait("two", 1)
            await server.end()

        await hold(line, script)
    assert there.webhooks[1].form["SessionStatus"] == "failed"
    assert server.words(1) == ["one", "two"]
    assert server.session(0) != server.session(1)


async def test_without_the_attribute_the_socket_is_not_opened_again(serve) -> None:
    async with relay_server() as server:
        there = await serve({"/twilio/voice": connect(server, ""), "/ended": BYE})
        line = PhoneLine(there.url)

        async def script() -> None:
            await wait_until(lambda: bool(server.sockets) and line.is_heard, "the socket is open")
            await line.drop_socket()

        await hold(line, script)
    assert there.webhooks[1].form["SessionStatus"] == "failed"
    assert len(server.sockets) == 1


@pytest.mark.parametrize(("code", "sockets"), [(1001, 2), (1011, 2), (1000, 1), (1008, 1)])
async def test_only_an_unexpected_end_of_the_socket_is_made_good(serve, code: int, sockets: int) -> None:
    async with relay_server() as server:
        there = await serve({"/twilio/voice": connect(server), "/ended": BYE})
        line = PhoneLine(there.url)

        async def script() -> None:
            await wait_until(lambda: bool(server.sockets) and line.is_heard, "the socket is open")
            await server.connections[0].close(code)
            if sockets == 2:
                await wait_until(lambda: len(server.sockets) == 2, "it is opened again")
                await server.end()

        await hold(line, script)
    assert len(server.sockets) == sockets


async def test_a_server_that_does_not_come_back_is_reported(serve) -> None:
    async with relay_server() as server:
        there = await serve({"/twilio/voice": connect(server), "/ended": BYE})
        line = PhoneLine(there.url, relay_reconnect=RelayReconnect(attempts=2, delay_seconds=0))

        async def script() -> None:
            await wait_until(lambda: bool(server.sockets) and line.is_heard, "the socket is open")
            server.is_refusing = True
            await line.drop_socket()

        events = await hold(line, script)
    assert there.webhooks[1].form["SessionStatus"] == "failed"
    waited = [event.text for event in events if isinstance(event, Waiting)]
    assert [text.partition(":")[0] for text in waited] == [
        "The socket was lost, and is opened again.", "ws", "ws", "The socket was lost.",
    ]  # fmt: skip


async def test_many_events_come_back_as_a_burst_of_at_most_five_hundred(serve) -> None:
    gate = asyncio.Event()
    async with relay_server() as server:
        there = await serve({"/twilio/voice": connect(server), "/ended": BYE})
        line = PhoneLine(there.url, relay_reconnect=RelayReconnect(gate=gate))

        async def script() -> None:
            await wait_until(lambda: bool(server.sockets) and line.is_heard, "the socket is open")
            await line.drop_socket()
            await wait_until(lambda: server.connections[0].state.name == "CLOSED", "the socket is lost")
            for number in range(600):
                line.answer_speech(f"word {number}")
            gate.set()
            await wait_until(lambda: len(server.sockets) == 2 and len(server.words(1)) == 500, "the burst arrives")
            await server.end()

        await hold(line, script)
    assert server.words(1)[0] == "word 100"
