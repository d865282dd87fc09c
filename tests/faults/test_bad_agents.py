"""The agent raises, hangs, floods or blocks; over HTTP, with a worker of its own process."""

import asyncio

import pytest

from orchestrator.turns.outcome import APOLOGY

pytestmark = pytest.mark.processes


async def test_an_agent_that_misbehaves_costs_its_caller_an_apology_and_nobody_else_anything(deploy, line):
    deployment = await deploy(webs=1, workers=1, AGENT_TIMEOUT_SECONDS="2")
    ways = {"raise": "failed", "hang": "timed_out", "flood": "failed", "block": "timed_out"}
    callers = {way: line(deployment, f"CA-{way}") for way in ways}
    other = line(deployment, "CA-good")
    await asyncio.gather(*(caller.ring() for caller in [*callers.values(), other]))

    misbehaving = [asyncio.create_task(caller.say(1, way)) for way, caller in callers.items()]
    for number in range(1, 11):  # the well-behaved call of the same worker hears no filler, let alone an apology
        assert f"You said number {number}." in (await other.say(number, f"number {number}")).text

    for (way, outcome), answer in zip(ways.items(), misbehaving, strict=True):
        caller = callers[way]
        assert (await caller.words(await answer)).endswith(APOLOGY)
        assert await caller.recorded() == [("start", "replied"), ("turn-1", outcome)]
        assert await caller.words(await caller.say(2, "never mind")) == "You said never mind."
        assert (await caller.state())["slots"]["seen"] == ["turn-2"]  # what a failed turn did is not kept
