"""Redis is away when calls begin, go on or end: they are told to have ended all the same, exactly once."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from support.deployment import Deployment
from support.line import Line
from support.programs import programs, ready
from support.puppet import STAGE, Strings
from support.relay import relay_socket
from support.servers import ServerFactory, free_port
from support.told_events import ToldEvents
from support.waiting import wait_until

from orchestrator.redis import keys
from web.twilio.twiml import FILLERS

pytestmark = pytest.mark.processes


@pytest.fixture
async def told() -> AsyncIterator[ToldEvents]:
    async with ToldEvents() as events:
        yield events


@pytest.fixture
async def deployment(told: ToldEvents, tmp_path: Path) -> AsyncIterator[Deployment]:
    """An ingress and a worker."""
    strings = Strings(tmp_path)
    settings = {"AGENT": "support.puppet:reply", STAGE: str(strings.directory), **told.settings}
    async with Deployment(webs=1, workers=1, **settings) as running:
        yield running
    assert not running.exits
    shutil.rmtree(running.directory, ignore_errors=True)


async def without_redis(deployment: Deployment) -> None:
    """The ingress starts again, and finds no Redis."""
    await asyncio.to_thread(deployment.redis.kill)
    web = deployment.webs[0]
    await web.kill()
    await wait_until(lambda: "IN MEMORY" in web.running.log, "it warns that it serves from memory", 60)


async def in_redis(deployment: Deployment, call_sid: str) -> None:
    """Wait until the call has been written back."""
    with deployment.redis.client() as client:
        await wait_until(lambda: client.exists(keys.state(call_sid)) == 1, "the call is in Redis")


async def test_a_call_that_began_in_memory_ends_in_redis(deployment: Deployment, told: ToldEvents) -> None:
    await without_redis(deployment)
    caller = Line(deployment)
    await caller.ring()
    await caller.say(1, "one")
    await asyncio.to_thread(deployment.redis.start)
    await in_redis(deployment, "CA1")
    await caller.words(await caller.say(2, "two"))
    await caller.hang_up()
    record = await told.ended("CA1")
    assert [turn["text"] for turn in record["turns"][:3]] == ["", "one", "two"]
    assert "partial" not in record
    await told.settled(deployment.redis.client())
    assert told.types("CA1") == ["call.started", "call.ended"]


async def test_a_call_begins_and_ends_in_memory(deployment: Deployment, told: ToldEvents) -> None:
    await without_redis(deployment)
    caller = Line(deployment)
    await caller.ring()
    await caller.say(1, "one")
    await caller.hang_up()
    await asyncio.to_thread(deployment.redis.start)
    record = await told.ended("CA1")
    assert [turn["kind"] for turn in record["turns"]] == ["started", "speech", "ended"]
    await told.settled(deployment.redis.client())
    assert told.types("CA1") == ["call.started", "call.ended"]


async def test_a_relay_call_goes_on_and_ends_while_redis_is_away(
    told: ToldEvents, tmp_path: Path, start_redis: ServerFactory
) -> None:
    redis = start_redis("--appendonly", "yes", "--appendfsync", "always")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    every = {"VOICE_CHANNEL": "relay", "EVENTS": "call.started,turn.completed,call.ended", **told.settings}
    with programs(tmp_path, **every) as start:
        start("web", REDIS_URL=redis.url, PORT=str(port))
        start("workers", REDIS_URL=redis.url)
        await ready(url)
        async with relay_socket(url, None) as caller, httpx.AsyncClient(base_url=url, timeout=60) as provider:
            await caller.setup("CA1")
            await caller.reply()
            await caller.prompt("one")
            assert await caller.reply() == "You said: one"
            redis.kill()
            await caller.prompt("two")
            while await caller.reply() in FILLERS:
                pass
            await caller.prompt("three")
            assert await caller.reply() == "You said: three"
            over = {"CallSid": "CA1", "CallStatus": "completed"}
            assert (await provider.post("/twilio/status", data=over)).status_code == 204
        redis.start()
        record = await told.ended("CA1")
        with redis.client() as client:
            await told.settled(client)
    assert [turn["text"] for turn in record["turns"][:4]] == ["", "one", "two", "three"]
    assert (record["status"], record["channel"]) == ("completed", "relay")
    turns = [event.data["text"] for event in told.of("CA1") if event.type == "turn.completed"]
    assert turns[:4] == ["", "one", "two", "three"]
    assert told.types("CA1")[0] == "call.started"
