"""The caller hangs up in the middle of a turn."""

import asyncio

import pytest
from support.waiting import wait_until

pytestmark = pytest.mark.processes


async def test_hanging_up_cancels_the_turn_and_the_call_gets_one_terminal_record(deploy, line, strings):
    deployment = await deploy(webs=2, workers=2)
    caller = line(deployment)
    await caller.ring()
    turn = asyncio.create_task(caller.say(1, "wait for gate"))
    await wait_until(lambda: strings.is_running("gate"), "the agent is at work")

    callbacks = await asyncio.gather(*(caller.hang_up(at=n % 2) for n in range(6)))
    assert {callback.status_code for callback in callbacks} == {204}
    await wait_until(lambda: strings.was_cancelled("gate"), "the agent is cancelled")
    await caller.hear(await turn)

    async def is_over() -> bool:
        return (await caller.state())["ended"] is not None

    await wait_until(is_over, "the call is over")
    ended = (await caller.state())["ended"]
    assert ended["status"] == "completed"
    outcomes = await caller.recorded()
    assert outcomes[:2] == [("start", "replied"), ("turn-1", "interrupted")]
    assert [turn_id for turn_id, _ in outcomes].count("ended") == 1

    late = await caller.say(2, "hello?")
    assert "<Hangup" in late.text
    assert (await caller.hang_up()).status_code == 204
    assert (await caller.state())["ended"] == ended
