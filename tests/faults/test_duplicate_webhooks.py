"""The provider sends a webhook many times, at once, to different ingresses."""

import asyncio
from collections.abc import Awaitable
from xml.etree import ElementTree

import httpx
import pytest
from support.deployment import Deployment
from support.waiting import wait_until

pytestmark = pytest.mark.processes


async def test_twenty_copies_at_two_ingresses_are_one_turn_one_run_and_one_answer(deploy, line):
    deployment = await deploy(webs=2, workers=2)
    caller = line(deployment)

    async def heard(answer: Awaitable[httpx.Response], at: int) -> str:
        return ElementTree.tostring(await caller.hear(await answer, at), "unicode")

    greetings = await asyncio.gather(*(heard(caller.ring(n % 2), n % 2) for n in range(20)))
    answers = await asyncio.gather(*(heard(caller.say(1, "good morning", n % 2), n % 2) for n in range(20)))

    assert len(set(greetings)) == 1
    assert len(set(answers)) == 1
    assert "You said good morning." in answers[0]
    assert deployment.runs == {"CA1/start": 1, "CA1/turn-1": 1}
    assert await caller.recorded() == [("start", "replied"), ("turn-1", "replied")]


async def test_a_retry_after_the_reply_gets_the_recorded_one_without_a_run(deploy, line):
    deployment = await deploy(webs=2, workers=1)
    caller = line(deployment)
    await caller.ring()
    first = await caller.say(1, "one")
    await caller.say(2, "two")

    again = await caller.say(1, "one", at=1)

    assert again.content == first.content
    assert deployment.runs["CA1/turn-1"] == 1
    assert [turn for turn, _ in await caller.recorded()] == ["start", "turn-1", "turn-2"]


async def test_turns_that_arrive_together_run_one_at_a_time_in_their_order(deploy, line, strings):
    deployment = await deploy(webs=2, workers=3)
    caller, other = line(deployment), line(deployment, "CA2")
    await asyncio.gather(caller.ring(), other.ring())

    waiting = [asyncio.create_task(caller.say(1, "wait for gate"))]
    await wait_until(lambda: strings.is_running("gate"), "the first turn runs")
    for number in (2, 3, 4):
        waiting.append(asyncio.create_task(caller.say(number, f"number {number}", at=number % 2)))
        await wait_until(lambda number=number: inbox(deployment) == number, "the turn waits")

    assert await other.words(await other.say(1, "hello")) == "You said hello."  # other calls go on meanwhile
    assert deployment.runs["CA1/turn-2"] == 0
    strings.go("gate")
    answers = [await caller.words(answer) for answer in await asyncio.gather(*waiting)]

    assert answers[0] == "Well. You said wait for gate."
    assert answers[1:] == [f"You said number {number}." for number in (2, 3, 4)]
    assert (await caller.state())["slots"]["seen"] == ["turn-1", "turn-2", "turn-3", "turn-4"]


def inbox(deployment: Deployment) -> int:
    """How many turns of the call wait, the one that runs included."""
    with deployment.redis.client() as client:
        return int(client.llen("{voiceagent:state:CA1}:inbox"))
