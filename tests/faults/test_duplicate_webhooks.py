"""The provider sends a webhook many times, at once, to different ingresses."""

import asyncio

import pytest

pytestmark = pytest.mark.processes


async def test_twenty_copies_at_two_ingresses_are_one_turn_one_run_and_one_answer(deploy, line):
    deployment = await deploy(webs=2, workers=2)
    caller = line(deployment)

    greetings = await asyncio.gather(*(caller.ring(at=n % 2) for n in range(20)))
    answers = await asyncio.gather(*(caller.say(1, "good morning", at=n % 2) for n in range(20)))

    assert len({greeting.content for greeting in greetings}) == 1
    assert len({answer.content for answer in answers}) == 1
    assert "You said good morning." in answers[0].text
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
    while not strings.is_running("gate"):
        await asyncio.sleep(0.01)
    for number in (2, 3, 4):
        waiting.append(asyncio.create_task(caller.say(number, f"number {number}", at=number % 2)))
        while deployment.redis.client().llen("{voiceagent:state:CA1}:inbox") < number:
            await asyncio.sleep(0.01)

    assert "You said hello." in (await other.say(1, "hello")).text  # other calls go on meanwhile
    assert deployment.runs["CA1/turn-2"] == 0
    strings.go("gate")
    answers = [await caller.words(answer) for answer in await asyncio.gather(*waiting)]

    assert answers[0] == "Well. You said wait for gate."
    assert answers[1:] == [f"You said number {number}." for number in (2, 3, 4)]
    assert (await caller.state())["slots"]["seen"] == ["turn-1", "turn-2", "turn-3", "turn-4"]
