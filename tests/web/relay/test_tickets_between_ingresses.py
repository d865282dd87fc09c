"""Tickets over real web processes and a real Redis: every ingress knows which session of a call is the latest."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.module_process import Process
from support.programs import Start, programs, ready
from support.relay import RelaySocket, new_ticket, relay_socket
from support.servers import RedisServer, free_port
from support.waiting import wait_until

from orchestrator.redis import keys

pytestmark = pytest.mark.processes

GREETING = "Hello! Say something, and I will repeat it."
CALL = "CA1"
VOICE = "/twilio/voice"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python -m web` or `python -m workers` with this environment."""
    with programs(tmp_path, VOICE_CHANNEL="relay") as start:
        yield start


@dataclass
class Fleet:
    redis: RedisServer
    urls: list[str]
    webs: list[Process]


@pytest.fixture
async def fleet(start: Start, start_redis) -> Fleet:
    redis: RedisServer = start_redis("--appendonly", "yes", "--appendfsync", "always")
    ports = [free_port(), free_port()]
    webs = [start("web", REDIS_URL=redis.url, PORT=str(port)) for port in ports]
    start("workers", REDIS_URL=redis.url)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    for url in urls:
        await ready(url)
    with redis.client() as client:  # long after the last process of the previous version has ended
        client.hset(keys.SEAL_KEYS, "since", 0)
    for web in webs:
        web.send_signal(signal.SIGTERM)
    for web in webs:
        assert web.wait(60) == 0
    webs = [start("web", REDIS_URL=redis.url, PORT=str(port)) for port in ports]
    for url in urls:
        await ready(url)
    return Fleet(redis, urls, webs)


async def is_refused(url: str, ticket: str, call_sid: str = CALL) -> bool:
    async with relay_socket(url, None) as caller:
        await caller.setup(call_sid, "VX9", ticket=ticket)
        return await caller.closed() == 1008 and caller.frames == []


async def goes_on(caller: RelaySocket, words: str) -> bool:
    await caller.prompt(words)
    return await caller.reply() == f"You said: {words}"


async def test_a_ticket_of_one_ingress_opens_a_session_at_another_and_a_newer_one_takes_the_call(fleet):
    here, there = fleet.urls
    ticket = await new_ticket(here, CALL, None, VOICE)
    async with relay_socket(there, None) as caller, relay_socket(here, None) as newer:
        await caller.setup(CALL, ticket=ticket)
        assert await caller.reply() == GREETING
        assert await is_refused(here, "")
        assert await is_refused(here, ticket)
        assert await is_refused(there, ticket)
        assert await goes_on(caller, "one")
        await newer.setup(CALL, "VX2", customParameters={"lines": f"0-{time.time() + 60}"})
        assert await caller.closed() == 4000
        assert await goes_on(newer, "two")
        assert await is_refused(there, ticket)
        assert await goes_on(newer, "three")


async def test_the_same_ticket_comes_back_at_another_ingress_once_the_first_one_is_dead(fleet):
    here, there = fleet.urls
    ticket = await new_ticket(here, CALL, None, VOICE)
    lines = {"lines": f"0-{time.time() + 60}"}
    async with relay_socket(here, None) as caller:
        await caller.setup(CALL, ticket=ticket)
        assert await caller.reply() == GREETING
        fleet.webs[0].kill()
        await caller.closed()
    async with relay_socket(there, None) as caller:
        await caller.setup(CALL, ticket=ticket, customParameters=lines)
        assert await goes_on(caller, "back again")


async def test_calls_that_began_while_redis_was_down_are_known_to_the_others_when_it_is_up(fleet):
    here, there = fleet.urls
    ticket = await new_ticket(here, CALL, None, VOICE)
    fleet.redis.kill()
    async with relay_socket(here, None) as caller:
        await caller.setup(CALL, ticket=ticket)
        fleet.redis.start()
        said = await caller.reply()
        while said != GREETING:  # fillers, as long as Redis is down
            said = await caller.reply()

        def is_known() -> bool:
            with fleet.redis.client() as client:
                return client.hget(keys.relay_documents(CALL), "used") == "1"

        await wait_until(is_known, "the session is known to all")
        assert await is_refused(there, ticket)
        assert await goes_on(caller, "still me")


async def test_while_the_version_before_may_still_be_there_its_documents_are_taken(start: Start, start_redis):
    """They carry no ticket. A call that one of our documents has connected cannot be continued without one."""
    redis: RedisServer = start_redis()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    start("web", REDIS_URL=redis.url, PORT=str(port))
    start("workers", REDIS_URL=redis.url)
    await ready(url)
    async with relay_socket(url, None) as caller:
        await caller.setup(CALL, ticket="")
        assert await caller.reply() == GREETING
        assert await is_refused(url, "")
        assert await goes_on(caller, "one")
    async with relay_socket(
        url, None
    ) as caller:  # its socket was lost, and a process of the previous version was asked for another
        await caller.setup(CALL, "VX2", ticket="", customParameters={"lines": f"0-{time.time() + 60}"})
        assert await goes_on(caller, "two")
    async with relay_socket(url, None) as caller:  # and now this version was asked
        await caller.setup(CALL, "VX3", customParameters={"lines": f"0-{time.time() + 60}"})
        assert await goes_on(caller, "three")
    assert await is_refused(url, "")
    assert await new_ticket(url, "CA2", None, VOICE)
    assert await is_refused(url, "", "CA2"), "one of our documents is on its way to connect it"
