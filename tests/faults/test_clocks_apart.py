"""Machines whose clocks are minutes apart: what two processes compare goes by the Redis server's clock."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.programs import Start, programs, ready
from support.relay import relay_socket
from support.servers import RedisServer, free_port
from support.skew import skewed
from support.waiting import wait_until

from orchestrator.clock import SharedClock
from orchestrator.redis.clock_sync import ClockSync

pytestmark = pytest.mark.processes

AHEAD = [-600, -20, 20, 75, 600]
SLOW_AGENT = """
import asyncio
from pathlib import Path

async def reply(turn, state):
    if turn.kind == "started":
        yield "Hello! Say something, and I will repeat it."
    elif turn.kind == "speech":
        while not Path("go").exists():
            await asyncio.sleep(0.01)
        yield f"You said: {turn.text}"
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python -m web` or `python -m workers`; `ahead` is by how much its machine's clock is."""
    with programs(tmp_path) as plain:

        def start(module: str, *, ahead: float = 0, **settings: str) -> Any:
            return plain(module, **skewed(ahead), **settings)

        yield start


async def ingresses(
    start: Callable[..., Any], redis: RedisServer, *, ahead: tuple[float, float], **more: str
) -> list[str]:
    """The URLs of two ingresses whose clocks are ahead by so much."""
    ports = [free_port(), free_port()]
    for port, seconds in zip(ports, ahead, strict=True):
        start("web", ahead=seconds, REDIS_URL=redis.url, PORT=str(port), **more)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    for url in urls:
        await ready(url)
    return urls


@pytest.mark.parametrize("ahead", [-600, 200, 600])
async def test_of_two_sockets_of_a_call_the_older_is_closed(start, start_redis, ahead):
    redis: RedisServer = start_redis()
    start("workers", REDIS_URL=redis.url)
    urls = await ingresses(start, redis, ahead=(0, ahead), VOICE_CHANNEL="relay")
    async with relay_socket(urls[0], None) as older, relay_socket(urls[1], None) as newer:
        await older.setup("CA1")
        assert (await older.reply()).startswith("Hello!")
        await newer.setup("CA1", "VX2", customParameters={"lines": f"0-{time.time() + 60}"})
        assert await older.closed(30) == 4000


@pytest.mark.parametrize("ahead", AHEAD)
async def test_what_was_not_heard_is_said_again_whatever_the_workers_clock(start, start_redis, ahead):
    redis: RedisServer = start_redis()
    start("workers", ahead=ahead, REDIS_URL=redis.url)
    urls = await ingresses(start, redis, ahead=(0, 0), VOICE_CHANNEL="relay")
    async with relay_socket(urls[0], None) as first:
        await first.setup("CA1")
        greeting = await first.reply()
    now = time.time()
    async with relay_socket(urls[1], None) as second:
        await second.setup("CA1", "VX2", customParameters={"lines": f"{now - 0.3:.3f}-{now:.3f}"})
        assert greeting.endswith(await second.reply())


@pytest.mark.parametrize("ahead", [-600, 75, 600])
async def test_a_slow_turn_is_held_and_answered_at_an_ingress_whose_clock_is_wrong(start, start_redis, tmp_path, ahead):
    (tmp_path / "slow_agent.py").write_text(SLOW_AGENT)
    redis: RedisServer = start_redis()
    start("workers", REDIS_URL=redis.url, AGENT="slow_agent:reply")
    urls = await ingresses(start, redis, ahead=(0, ahead), AGENT="slow_agent:reply", AGENT_TIMEOUT_SECONDS="60")
    call = {"CallSid": "CA1", "From": "+15558675310", "To": "+15551234567"}
    async with httpx.AsyncClient(timeout=60) as client:
        await client.post(f"{urls[0]}/twilio/voice", data=call)
        held = await client.post(f"{urls[0]}/twilio/turn/1", data={**call, "SpeechResult": "work"})
        redirect = held.text.partition("<Redirect")[2].partition(">")[2].partition("</")[0].replace("&amp;", "&")
        assert "wait" in redirect, held.text
        (tmp_path / "go").touch()
        answer = await client.post(f"{urls[1]}{redirect}", data=call)
    assert "You said: work" in answer.text


@pytest.mark.parametrize("ahead", [-600, 300, 600])
async def test_a_worker_whose_clock_is_wrong_is_listed_and_strikes_no_other_off(start, start_redis, ahead):
    redis: RedisServer = start_redis()
    start("workers", REDIS_URL=redis.url)
    [url, other] = await ingresses(start, redis, ahead=(0, ahead))
    client = redis.client()
    await wait_until(lambda: client.zcard("voiceagent:workers") == 1, "one worker is alive")
    start("workers", ahead=ahead, REDIS_URL=redis.url)
    await wait_until(lambda: client.zcard("voiceagent:workers") == 2, "both workers are alive")
    scores = [score for _, score in client.zrange("voiceagent:workers", 0, -1, withscores=True)]
    assert max(scores) - min(scores) < 60
    client.close()
    async with httpx.AsyncClient(timeout=60) as web:

        async def counted(place: str) -> bool:
            health = (await web.get(f"{place}/health/detailed")).json()
            return health["checks"]["workers"]["count"] == 2

        for place in (url, other):
            await wait_until(lambda place=place: counted(place), f"{place} counts both")


@pytest.mark.parametrize("ahead", [-600, 600])
async def test_times_in_a_state_are_the_servers_wherever_they_were_taken(start, start_redis, ahead):
    redis: RedisServer = start_redis()
    start("workers", ahead=ahead, REDIS_URL=redis.url)
    [url, _] = await ingresses(start, redis, ahead=(-ahead, 0))
    async with httpx.AsyncClient(timeout=60) as client:
        await client.post(f"{url}/calls/c1/turns", json={"turn_id": "t1", "text": "hi"})
        state = (await client.get(f"{url}/calls/c1")).json()
    turn = state["turns"][0]
    times = [state["created_at"], state["updated_at"], turn["received_at"], turn["committed_at"]]
    moments = [datetime.fromisoformat(text).timestamp() for text in times]
    assert all(abs(moment - time.time()) < 120 for moment in moments), json.dumps(times)


async def test_the_clock_follows_the_server_and_says_that_the_machine_is_wrong(redis_client, caplog):
    clock = SharedClock(machine=lambda: 1_000_000.0)
    assert clock.now() == 1_000_000.0
    async with ClockSync(redis_client, clock):
        seconds, _ = await redis_client.time()
        assert abs(clock.now() - seconds) < 60
    assert [record.seconds for record in caplog.records if getattr(record, "action", "") == "clock.skewed"]


def test_small_differences_do_not_let_time_go_back_and_forth():
    clock = SharedClock(monotonic=lambda: 20.1)
    clock.synchronize(5_000.0, asked_at=10.0, answered_at=10.2)
    clock.synchronize(5_001.1, asked_at=11.0, answered_at=11.2)  # within the journey's time
    assert clock.now() == pytest.approx(5_010.0)
    clock.synchronize(6_000.0, asked_at=20.0, answered_at=20.2)  # another server
    assert clock.now() == pytest.approx(6_000.0)
