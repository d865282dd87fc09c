"""Relay calls over real web and worker processes and a real Redis: callers do not notice that one of them dies."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from support.programs import Start, programs, ready
from support.proxy import FaultProxy
from support.relay import RelaySocket, new_ticket, relay_socket
from support.servers import RedisServer, free_port
from support.waiting import wait_until

from orchestrator.provider_simulator import PATIENT, Asked, Event, HungUp, PhoneLine, PlaybackSpeed, Said, Speaking
from web.twilio.twiml import FILLERS

pytestmark = pytest.mark.processes

GREETING = "Hello! Say something, and I will repeat it."


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python -m web` or `python -m workers` with this environment."""
    with programs(tmp_path, VOICE_CHANNEL="relay") as start:
        yield start


async def call_of(port: int, call_sid: str) -> dict:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        answer = await client.get(f"/calls/{call_sid}")
        return answer.json() if answer.status_code == 200 else {}


async def kinds_of(port: int, call_sid: str) -> list[str]:
    """The kinds of the call's turns, once it has ended there: its socket is closed before that."""

    async def ended() -> dict | None:
        call = await call_of(port, call_sid)
        return call if call.get("ended") else None

    call = await wait_until(ended, "the call has ended")
    return [turn["kind"] for turn in call["turns"]]


@dataclass
class Robot:
    """A caller with a socket of their own, who says `words` one by one, and hangs up after the last answer."""

    line: PhoneLine
    words: list[str]
    events: list[Event] = field(default_factory=list)
    asked: int = 0
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Said)]

    async def talk(self) -> None:
        async with aclosing(self.line.call()) as call:
            async for event in call:
                self.events.append(event)
                if isinstance(event, Asked):
                    self.asked += 1
                    await self.hold.wait()
                    if not self.words or not self.line.answer_speech(self.words.pop(0)):
                        self.line.hang_up()


async def test_an_ingress_is_killed_under_live_calls_and_all_of_them_go_on(start, start_redis):
    redis: RedisServer = start_redis()
    ports = [free_port(), free_port()]
    # As where the provider does not open a lost socket again by itself; where it does: test_replaced_sockets.
    options = {"REDIS_URL": redis.url, "RELAY_RECONNECT": "off"}
    first, _ = (start("web", PORT=str(port), **options) for port in ports)
    start("workers", REDIS_URL=redis.url)
    for port in ports:
        await ready(f"http://127.0.0.1:{port}")
    slow = PlaybackSpeed(characters_per_second=10)  # all of them are in the middle of the greeting when it dies
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    robots = [Robot(PhoneLine(urls[0], retry=PATIENT, speed=slow), [f"words {n}"]) for n in range(4)]
    calls = [asyncio.create_task(robot.talk()) for robot in robots]
    for robot in robots:
        robot.hold.set()
        await wait_until(lambda robot=robot: robot.events, "the agent speaks")

    first.kill()
    for robot in robots:
        robot.line.move_to(urls[1])
    async with asyncio.timeout(120):
        await asyncio.gather(*calls)

    for number, robot in enumerate(robots):
        begun, again, answer = robot.said
        assert GREETING.startswith(begun)
        assert GREETING.endswith(again)
        assert begun + again != GREETING or begun.endswith("! ")  # nothing is left out, whole sentences are repeated
        assert len(begun) + len(again) >= len(GREETING)
        assert answer == f"You said: words {number}"
        assert isinstance(robot.events[-1], HungUp)
        assert await kinds_of(ports[1], robot.line.call_sid) == ["started", "speech", "ended"]


async def test_a_call_goes_on_without_redis_and_is_written_back(start, start_redis):
    redis: RedisServer = start_redis("--appendonly", "yes", "--appendfsync", "always")
    port = free_port()
    start("web", REDIS_URL=redis.url, PORT=str(port))
    start("workers", REDIS_URL=redis.url)
    await ready(f"http://127.0.0.1:{port}")
    async with relay_socket(f"http://127.0.0.1:{port}", None) as caller:
        await caller.setup("CA1")
        assert await caller.reply() == GREETING
        await caller.prompt("one")
        assert await caller.reply() == "You said: one"
        redis.kill()
        await caller.prompt("two")
        said = [await caller.reply()]
        while said[-1] in FILLERS:
            said.append(await caller.reply())
        assert said[0] == "One moment please."
        assert said[-1] == "You said: two"
        await caller.prompt("three")
        assert await caller.reply() == "You said: three"
        redis.start()

        async def is_written_back() -> bool:
            client = redis.client()
            try:
                stored = client.get("voiceagent:state:CA1")
            finally:
                client.close()
            return stored is not None and "You said: three" in stored

        await wait_until(is_written_back, "the call is in Redis again")
        await caller.prompt("four")
        assert await caller.reply() == "You said: four"
    turns = (await call_of(port, "CA1"))["turns"]
    assert [turn["text"] for turn in turns] == ["", "one", "two", "three", "four"]


async def test_a_call_that_left_an_ingress_which_alone_has_lost_redis_is_joined_when_that_one_has_it_again(
    start, start_redis
):
    redis: RedisServer = start_redis()
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    async with FaultProxy(redis.port) as proxy:
        for url, redis_url in zip(urls, (proxy.url, redis.url), strict=True):
            start("web", REDIS_URL=redis_url, PORT=url.rpartition(":")[2])
        start("workers", REDIS_URL=redis.url)
        for url in urls:
            await ready(url)
        async with relay_socket(urls[0], None) as caller:
            await caller.setup("CA1", "VX1")
            assert await caller.reply() == GREETING
            await caller.prompt("one")
            assert await caller.reply() == "You said: one"
            proxy.refuse()
            await caller.prompt("two")
            while (said := await caller.reply()) in FILLERS:
                pass
            assert said == "You said: two"
        async with relay_socket(urls[1], None) as caller:
            await caller.setup("CA1", "VX2", customParameters={"lines": f"0-{time.time() + 60}"})
            await caller.prompt("three")
            assert await caller.reply() == "You said: three"
            proxy.heal()

            async def told() -> list[str]:
                return [turn["text"] for turn in (await call_of(int(urls[1].rpartition(":")[2]), "CA1"))["turns"]]

            async def is_joined() -> bool:
                return sorted(await told()) == ["", "one", "three", "two"]

            await wait_until(is_joined, "both have come together", 60)
            await caller.prompt("four")
            assert await caller.reply() == "You said: four"
            assert sorted(await told()) == ["", "four", "one", "three", "two"]


async def test_a_newer_socket_at_another_ingress_closes_the_older_one(start, start_redis):
    redis: RedisServer = start_redis()
    ports = [free_port(), free_port()]
    for port in ports:
        start("web", REDIS_URL=redis.url, PORT=str(port))
    start("workers", REDIS_URL=redis.url)
    for port in ports:
        await ready(f"http://127.0.0.1:{port}")
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    async with relay_socket(urls[0], None) as older, relay_socket(urls[1], None) as newer:
        await older.setup("CA1")
        assert await older.reply() == GREETING
        await newer.setup("CA1", "VX2", customParameters={"lines": f"0-{time.time() + 60}"})
        assert await older.closed() == 4000
        await newer.prompt("hello")
        assert await newer.reply() == "You said: hello"


@pytest.mark.parametrize("documents", ["one document", "a document each"])
async def test_of_two_sockets_of_a_new_call_at_two_ingresses_exactly_one_greets(start, start_redis, documents):
    redis: RedisServer = start_redis()
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    for url in urls:
        start("web", REDIS_URL=redis.url, PORT=url.rpartition(":")[2])
    start("workers", REDIS_URL=redis.url)
    for url in urls:
        await ready(url)
    for number in range(5):
        call_sid = f"CA{number}"
        asked = urls if documents == "a document each" else [urls[0]]
        tickets = (await asyncio.gather(*(new_ticket(url, call_sid, None) for url in asked))) * 2
        async with relay_socket(urls[0], None) as one, relay_socket(urls[1], None) as other:
            sockets = (one, other)
            await asyncio.gather(
                *(socket.setup(call_sid, f"VX{at}", ticket=tickets[at]) for at, socket in enumerate(sockets))
            )
            closed = [asyncio.create_task(socket.closed()) for socket in sockets]
            await asyncio.wait(closed, return_when=asyncio.FIRST_COMPLETED)
            (left,) = (socket for socket, task in zip(sockets, closed, strict=True) if not task.done())
            await wait_until(lambda left=left: said_over(left) == [GREETING], "that one greets")
            await left.prompt("hello")
            await wait_until(lambda left=left: said_over(left) == [GREETING, "You said: hello"], "that one is answered")
            for task in closed:
                task.cancel()
            (given_up,) = (socket for socket in sockets if socket is not left)
            assert said_over(given_up) == []


def said_over(socket: RelaySocket) -> list[str]:
    """Return the replies that were said to their end, and the part of an unfinished one."""
    tokens = "".join(frame["token"] + "\n" * frame["last"] for frame in socket.frames if frame["type"] == "text")
    return tokens.splitlines()


async def test_a_leaving_ingress_lets_the_agent_finish_and_exits_with_success(start, start_redis):
    redis: RedisServer = start_redis()
    port = free_port()
    web = start("web", REDIS_URL=redis.url, PORT=str(port))
    start("workers", REDIS_URL=redis.url)
    await ready(f"http://127.0.0.1:{port}")
    async with relay_socket(f"http://127.0.0.1:{port}", None) as caller:
        await caller.setup("CA1")
        assert await caller.reply() == GREETING
        web.send_signal(signal.SIGTERM)
        assert await caller.closed() == 1012
    await wait_until(lambda: web.poll() is not None, "the ingress has left")
    assert web.returncode == 0


async def test_a_killed_ingress_may_come_back_itself(start, start_redis):
    redis: RedisServer = start_redis()
    port = free_port()
    web = start("web", REDIS_URL=redis.url, PORT=str(port))
    start("workers", REDIS_URL=redis.url)
    await ready(f"http://127.0.0.1:{port}")
    line = PhoneLine(f"http://127.0.0.1:{port}", retry=PATIENT, speed=PlaybackSpeed(characters_per_second=40))
    robot = Robot(line, ["hello"])
    robot.hold.set()
    call = asyncio.create_task(robot.talk())
    await wait_until(lambda: Speaking("Say ") in robot.events, "the agent speaks")
    web.kill()
    web.wait()
    start("web", REDIS_URL=redis.url, PORT=str(port))
    async with asyncio.timeout(120):
        await call
    assert robot.said[-1] == "You said: hello"
    assert await kinds_of(port, line.call_sid) == ["started", "speech", "ended"]


async def test_each_record_says_when_its_turn_reached_its_stages(start, start_redis):
    redis, port = start_redis(), free_port()
    start("web", REDIS_URL=redis.url, PORT=str(port))
    start("workers", REDIS_URL=redis.url)
    url = f"http://127.0.0.1:{port}"
    await ready(url)
    async with relay_socket(url, token=None) as caller, httpx.AsyncClient(base_url=url, timeout=60) as client:
        await caller.setup("CA1")
        assert await caller.reply() == GREETING
        await caller.send("info", name="agentSpeaking", value="on")
        await caller.prompt("hello")
        await caller.reply()
        form = {"CallSid": "CA1", "SessionStatus": "completed", "SessionDuration": "3"}
        assert (await client.post("/twilio/relay/ended", data=form)).status_code == 200
        assert await kinds_of(port, "CA1") == ["started", "speech", "ended"]
        stages = ["submitted", "claimed", "first_token", "finished", "committed"]
        for turn in (await call_of(port, "CA1"))["turns"]:
            reached = [turn["timings"].get(stage) for stage in stages]
            if turn["kind"] == "ended":  # the agent has said nothing
                reached.remove(None)
            assert reached == sorted(reached)
            assert ("first_sent" in turn["timings"]) == (turn["kind"] != "ended")
            assert ("first_heard" in turn["timings"]) == (turn["kind"] == "started")
        counted = (await client.get("/metrics")).text
        assert 'voiceagent_turn_stage_seconds_count{stage="queue"} 2' in counted
