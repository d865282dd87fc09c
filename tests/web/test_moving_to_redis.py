"""From memory to Redis without an interruption of calls: by a rolling deploy, and by a share of the calls."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.calls import hold
from support.programs import Start, programs, ready
from support.servers import free_port
from support.waiting import wait_until

from orchestrator.provider_simulator import PATIENT, Asked, CallIdentity, PhoneLine, Said
from orchestrator.redis import keys
from orchestrator.state.rollout import uses_redis

pytestmark = pytest.mark.processes


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python -m web` or `python -m workers` with this environment."""
    with programs(tmp_path) as start:
        yield start


def line_to(url: str, call_sid: str) -> PhoneLine:
    return PhoneLine(url, identity=CallIdentity(call_sid), retry=PATIENT)


class Caller:
    """Hears the greeting, then says one word after the other, each only when `allowed`."""

    def __init__(self, url: str, call_sid: str) -> None:
        self.line = line_to(url, call_sid)
        self.heard: list[str] = []
        self.asked = asyncio.Event()
        self._call = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for event in self.line.call():
            if isinstance(event, Said):
                self.heard.append(event.text)
            elif isinstance(event, Asked):
                self.asked.set()

    async def say(self, text: str) -> None:
        await wait_until(self.asked.is_set, f"{self.line.call_sid} is asked: {self._call}")
        self.asked.clear()
        assert self.line.answer_speech(text)
        await wait_until(self.asked.is_set, f"{self.line.call_sid} has an answer to {text}: {self._call}")

    async def hang_up(self) -> None:
        self.line.hang_up()
        await self._call


async def test_calls_that_began_in_memory_go_on_there_and_new_ones_use_redis(start, redis_url, redis_client):
    before, after = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    old = start("web", USE_REDIS="false", PORT=before.rpartition(":")[2])
    await ready(before)
    callers = [Caller(before, f"CA-old-{number}") for number in range(5)]
    for caller in callers:
        await caller.say("one")

    start("web", REDIS_URL=redis_url, PORT=after.rpartition(":")[2])
    start("workers", REDIS_URL=redis_url)
    await ready(after)
    newcomers = [Caller(after, f"CA-new-{number}") for number in range(5)]
    for word in ("two", "three"):
        await asyncio.gather(*(caller.say(word) for caller in (*callers, *newcomers)))

    assert all(len([text for text in caller.heard if "You said" in text]) == 3 for caller in callers)
    async with httpx.AsyncClient(base_url=before, timeout=60) as client:
        assert {call["call_sid"] for call in (await client.get("/calls")).json()["calls"]} == {
            caller.line.call_sid for caller in callers
        }
    stored = await redis_client.keys("voiceagent:state:*")
    assert {key.decode() for key in stored} == {keys.state(caller.line.call_sid) for caller in newcomers}

    await asyncio.gather(*(caller.hang_up() for caller in callers))
    old.send_signal(signal.SIGTERM)
    await asyncio.gather(*(caller.say("four") for caller in newcomers))
    assert await asyncio.to_thread(old.wait, 60) == 0
    assert all(caller.heard[-1].startswith("You said: four") for caller in newcomers)
    await asyncio.gather(*(caller.hang_up() for caller in newcomers))


async def test_a_share_of_the_calls_uses_redis_and_no_call_changes_sides(start, redis_url, redis_client):
    url = f"http://127.0.0.1:{free_port()}"
    start("web", REDIS_URL=redis_url, PORT=url.rpartition(":")[2], REDIS_ROLLOUT_PERCENT="50")
    start("workers", REDIS_URL=redis_url)
    await ready(url)
    chosen = [f"CA{number}" for number in range(12)]
    there = {name for name in chosen if uses_redis(name, 50)}
    assert 0 < len(there) < 12

    words = ("one", "two", "three")
    for events in await asyncio.gather(*(hold(line_to(url, name), *words) for name in chosen)):
        said = [event.text for event in events if isinstance(event, Said)]
        assert [text for text in said if text.startswith("You said")] == [f"You said: {word}" for word in words]
    assert {key.decode() for key in await redis_client.keys("voiceagent:state:*")} == set(map(keys.state, there))
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        for name in chosen:

            async def ended(name: str = name) -> dict | None:
                call = (await client.get(f"/calls/{name}")).json()
                return call if call["ended"] else None

            turns = (await wait_until(ended, "the call has ended"))["turns"]
            assert [turn["kind"] for turn in turns] == ["started", "speech", "speech", "speech", "ended"]
