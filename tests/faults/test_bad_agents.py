"""The agent raises, hangs, floods or blocks; over HTTP, with a worker of its own process."""

import asyncio

import pytest
from support.waiting import wait_until

from orchestrator.turns.outcome import APOLOGY

pytestmark = pytest.mark.processes


async def test_an_agent_that_misbehaves_costs_its_caller_an_apology_and_nobody_else_anything(deploy, line, strings):
    deployment = await deploy(webs=1, workers=1, AGENT_TIMEOUT_SECONDS="5")
    ways = {"raise": "failed", "hang": "timed_out", "flood": "failed", "block for ever": "timed_out"}
    callers = {way: line(deployment, f"CA-{way.split()[0]}") for way in ways}
    other = line(deployment, "CA-good")
    await asyncio.gather(*(caller.ring() for caller in [*callers.values(), other]))

    misbehaving = {
        way: asyncio.create_task(caller.say(1, way)) for way, caller in callers.items() if "block" not in way
    }
    await asyncio.gather(misbehaving["raise"], misbehaving["flood"])  # who has spoken shares the fate of a block
    misbehaving["block for ever"] = asyncio.create_task(callers["block for ever"].say(1, "block for ever"))
    await wait_until(lambda: strings.is_running("ever"), "an agent blocks")
    for number in range(1, 11):  # the well-behaved call of the same worker goes on, while the block lasts
        assert await other.words(await other.say(number, f"number {number}")) == f"You said number {number}."

    for way, outcome in ways.items():
        caller = callers[way]
        assert (await caller.words(await misbehaving[way])).endswith(APOLOGY)
        assert await caller.recorded() == [("start", "replied"), ("turn-1", outcome)]
        assert await caller.words(await caller.say(2, "never mind")) == "You said never mind."
        assert (await caller.state())["slots"]["seen"] == ["turn-2"]  # what a failed turn did is not kept
    strings.go("ever")
