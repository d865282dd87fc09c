"""Redis is not there: at the start of an ingress, or from the middle of a call on."""

import asyncio

import httpx
import pytest
from support.deployment import API_KEY
from support.waiting import wait_until

pytestmark = pytest.mark.processes


async def health(deployment) -> str:
    key = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=deployment.ingresses[0], timeout=60, headers=key) as client:
        return (await client.get("/health/detailed")).json()["status"]


async def test_an_ingress_that_starts_without_redis_serves_from_memory_and_hands_over_when_it_comes(deploy, line):
    deployment = await deploy(webs=1, workers=1)
    await asyncio.to_thread(deployment.redis.kill)
    web = deployment.webs[0]
    await web.kill()
    await wait_until(lambda: "IN MEMORY" in web.running.log, "it warns that it serves from memory", 60)

    caller = line(deployment)
    assert await caller.words(await caller.ring()) == "Hello."
    assert await caller.words(await caller.say(1, "one")) == "You said one."
    assert await health(deployment) == "degraded"

    await asyncio.to_thread(deployment.redis.start)
    with deployment.redis.client() as client:
        await wait_until(lambda: client.exists("voiceagent:state:CA1"), "the call is in Redis")
    assert await caller.words(await caller.say(2, "two")) == "You said two."
    assert (await caller.state())["slots"]["seen"] == ["turn-1", "turn-2"]
    assert [turn for turn, _ in await caller.recorded()] == ["start", "turn-1", "turn-2"]
    assert deployment.runs == {"CA1/start": 1, "CA1/turn-1": 1, "CA1/turn-2": 1}

    async def is_healthy() -> bool:
        return await health(deployment) == "healthy"

    await wait_until(is_healthy, "all is well again")


async def test_a_call_is_held_while_redis_is_away_and_goes_on_when_it_is_back(deploy, line):
    deployment = await deploy(webs=2, workers=1)
    caller = line(deployment)
    await caller.ring()
    await caller.say(1, "one")

    await asyncio.to_thread(deployment.redis.kill)
    held = await caller.say(2, "two")
    assert "<Redirect" in held.text
    assert await health(deployment) in ("degraded", "unhealthy")
    log = deployment.webs[0].running.log
    assert log.count("Redis is down") == 1, log  # one line for the transition, not one for each request

    await asyncio.to_thread(deployment.redis.start)
    assert await caller.words(held, at=1) == "You said two."
    assert await caller.words(await caller.say(3, "three")) == "You said three."
    assert (await caller.state())["slots"]["seen"] == ["turn-1", "turn-2", "turn-3"]
    assert deployment.runs["CA1/turn-2"] == 1
