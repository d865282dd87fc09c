"""More turns than the workers answer: new calls are refused at once, those that run go on, and later all are taken."""

import asyncio
import signal
from itertools import count

import httpx
import pytest
from support.deployment import API_KEY
from support.waiting import wait_until

pytestmark = pytest.mark.processes


async def test_new_calls_are_refused_while_turns_wait_and_running_calls_go_on(deploy, line):
    deployment = await deploy(webs=1, workers=1, SHED_AFTER_SECONDS="1")
    caller, numbers = line(deployment), count(2)
    await caller.words(await caller.ring())
    deployment.workers[0].signal(signal.SIGSTOP)
    asked = asyncio.create_task(caller.say(1, "are you there"))
    headers = {"Authorization": f"Bearer {API_KEY}"}

    async def is_refused() -> bool:
        return "<Reject" in (await line(deployment, f"CA{next(numbers)}").ring()).text

    await wait_until(is_refused, "a new call is refused", timeout=60)
    async with httpx.AsyncClient(base_url=deployment.ingresses[0], timeout=60, headers=headers) as api:
        text = await api.post("/calls/text/turns", json={"text": "hello"})
        assert (text.status_code, text.json()["type"]) == (503, "/problems/overloaded")
        assert (await api.get("/health/detailed")).json()["checks"]["queue"]["sheds"]
        assert "voiceagent_shedding 1.0" in (await api.get("/metrics")).text

    deployment.workers[0].signal(signal.SIGCONT)
    assert "are you there" in await caller.words(await asked)

    async def is_taken() -> bool:
        return "<Reject" not in (await line(deployment, f"CA{next(numbers)}").ring()).text

    await wait_until(is_taken, "new calls are taken again", timeout=60)
    assert "go on" in await caller.words(await caller.say(2, "go on"))
