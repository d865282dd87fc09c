"""An ingress is killed, or deployed over."""

import asyncio

import pytest
from support.line import lost
from support.waiting import wait_until

pytestmark = pytest.mark.processes


async def test_a_webhook_whose_ingress_was_killed_is_answered_at_another_without_a_second_run(deploy, line, strings):
    deployment = await deploy(webs=2, workers=1)
    caller = line(deployment)
    greeting = await caller.ring()
    asked = asyncio.create_task(caller.say(1, "wait for gate"))
    await wait_until(lambda: strings.is_running("gate"), "the agent is at work")

    await deployment.webs[0].kill()
    await lost(asked)
    retried = asyncio.create_task(caller.say(1, "wait for gate", at=1))
    strings.go("gate")

    assert await caller.words(await retried, at=1) == "Well. You said wait for gate."
    assert deployment.runs == {"CA1/start": 1, "CA1/turn-1": 1}
    assert (await caller.ring(at=1)).content == greeting.content
    assert await caller.recorded(at=1) == [("start", "replied"), ("turn-1", "replied")]


async def test_a_caller_on_hold_when_the_ingress_dies_hears_the_reply_at_another(deploy, line, strings):
    deployment = await deploy(webs=2, workers=1)
    caller = line(deployment)
    await caller.ring()
    filler = await caller.say(1, "wait for gate")
    assert "<Redirect" in filler.text

    await deployment.webs[0].kill()
    strings.go("gate")

    assert await caller.words(filler, at=1) == "Well. You said wait for gate."
