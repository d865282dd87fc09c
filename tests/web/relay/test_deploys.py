"""An ingress shuts down during relay calls: nothing that was said into its sockets is lost."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from support.programs import programs, ready
from support.proxy import FaultProxy
from support.relay import RelaySocket, relay_socket
from support.servers import RedisServer, free_port
from support.waiting import wait_until
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.processes

LINE_DELAY_SECONDS = 0.1
CALLS = 8
BUSY_PAUSE_SECONDS = 0.03
IDLE_PAUSE_SECONDS = 0.021


async def talk(caller: RelaySocket, pause: float, may_speak: Callable[[], bool]) -> list[str]:
    """Say one thing after the other until the socket is closed. Return what was said."""
    said: list[str] = []
    with suppress(ConnectionClosed):
        while True:
            await asyncio.sleep(pause)
            if may_speak():
                await caller.prompt(f"words {len(said)}")
                said.append(f"words {len(said)}")
    return said


async def test_what_is_said_while_an_ingress_leaves_is_in_the_state(tmp_path: Path, start_redis):
    redis: RedisServer = start_redis()
    ports = [free_port(), free_port()]
    with programs(tmp_path, VOICE_CHANNEL="relay", DRAIN_TIMEOUT_SECONDS="6") as start:
        leaving, _ = (start("web", REDIS_URL=redis.url, PORT=str(port)) for port in ports)
        start("workers", REDIS_URL=redis.url)
        for port in ports:
            await ready(f"http://127.0.0.1:{port}")
        async with FaultProxy(ports[0]) as line:
            line.delay(LINE_DELAY_SECONDS)
            said = await _over_a_deploy(f"http://127.0.0.1:{line.port}", lambda: leaving.send_signal(signal.SIGTERM))
        await wait_until(lambda: leaving.poll() is not None, "the ingress has left")
        assert leaving.returncode == 0
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[1]}", timeout=60) as client:
            for call_sid, words in said.items():
                assert await _stored(client, call_sid, len(words)) == words, call_sid
    assert all(said[f"CA-busy-{number}"] for number in range(CALLS))
    assert any(said[f"CA-idle-{number}"] for number in range(CALLS)), "some speak as their line is being closed"


async def _stored(client: httpx.AsyncClient, call_sid: str, count: int) -> list[str]:
    """What the caller said, as soon as the worker has come so far: hundreds of turns may wait for it."""
    texts: list[str] = []

    async def all_are_there() -> bool:
        turns = (await client.get(f"/calls/{call_sid}")).json()["turns"]
        texts[:] = [turn["text"] for turn in turns if turn["kind"] == "speech"]
        return len(texts) >= count

    await wait_until(all_are_there, f"{count} turns of {call_sid}")
    return texts


async def _over_a_deploy(url: str, leave: Callable[[], None]) -> dict[str, list[str]]:
    """Some callers speak all the time, and some begin to speak when the ingress shuts down."""
    is_leaving = asyncio.Event()
    said: dict[str, list[str]] = {}

    async def call(call_sid: str, pause: float, may_speak: Callable[[], bool]) -> None:
        async with relay_socket(url, None) as caller:
            await caller.setup(call_sid)
            await caller.reply()
            await caller.send("info", name="agentSpeaking", value="off")
            greeted.append(call_sid)
            listening = asyncio.create_task(caller.closed())
            said[call_sid] = await talk(caller, pause, may_speak)
            assert await listening == 1012

    greeted: list[str] = []
    async with asyncio.TaskGroup() as calls:
        for number in range(CALLS):
            calls.create_task(call(f"CA-busy-{number}", BUSY_PAUSE_SECONDS, lambda: True))
            calls.create_task(call(f"CA-idle-{number}", IDLE_PAUSE_SECONDS, is_leaving.is_set))
        await wait_until(lambda: len(greeted) == 2 * CALLS, "all are greeted", 60)
        leave()
        is_leaving.set()
    return said
