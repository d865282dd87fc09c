"""Connections to Redis are cut, at the worst moments, or fall silent."""

import asyncio

import pytest
from support.proxy import script
from support.waiting import wait_until

pytestmark = pytest.mark.processes

WHEN = ("before", "after")
SCRIPTS = ("submit", "claim_jobs", "commit", "renew")


async def test_a_cut_before_or_after_any_script_neither_loses_nor_doubles_a_turn(deploy, line):
    deployment = await deploy(webs=1, workers=1)
    caller = line(deployment)
    await caller.ring()
    number = 0
    for name in SCRIPTS:
        for when in WHEN:
            number += 1
            deployment.proxy.tell(f"cut_{when} {script(name)}")
            answer = await caller.say(number, f"cut {when} {name}")
            assert await caller.words(answer) == f"You said cut {when} {name}."
            deployment.proxy.tell("pass")

    expected = [f"turn-{n}" for n in range(1, number + 1)]
    assert (await caller.state())["slots"]["seen"] == expected
    assert await caller.recorded() == [(turn, "replied") for turn in ["start", *expected]]


async def test_turns_at_hand_are_answered_when_all_connections_are_cut_again_and_again(deploy, line, strings):
    deployment = await deploy(webs=2, workers=2)
    callers = [line(deployment, f"CA{n}") for n in range(10)]
    await asyncio.gather(*(caller.ring() for caller in callers))
    turns = [asyncio.create_task(caller.say(1, f"wait for {caller.call_sid}")) for caller in callers]
    for caller in callers:
        await wait_until(lambda caller=caller: strings.is_running(caller.call_sid), "every agent is at work")

    for caller in callers:
        deployment.proxy.tell("cut")
        strings.go(caller.call_sid)

    for caller, turn in zip(callers, turns, strict=True):
        assert await caller.words(await turn) == f"Well. You said wait for {caller.call_sid}."
        assert await caller.recorded() == [("start", "replied"), ("turn-1", "replied")]


async def test_a_redis_that_falls_silent_for_a_while_costs_nothing_but_time(deploy, line, strings):
    deployment = await deploy(webs=1, workers=1)
    caller = line(deployment)
    await caller.ring()
    turn = asyncio.create_task(caller.say(1, "wait for gate"))
    await wait_until(lambda: strings.is_running("gate"), "the agent is at work")

    deployment.proxy.tell("blackhole")
    strings.go("gate")
    filler = await turn  # it comes in time though Redis says nothing
    assert "<Redirect" in filler.text
    deployment.proxy.tell("pass")

    assert await caller.words(filler) == "Well. You said wait for gate."
    assert await caller.recorded() == [("start", "replied"), ("turn-1", "replied")]
