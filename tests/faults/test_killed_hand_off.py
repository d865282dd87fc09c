"""A worker is killed after one agent has handed the call over, and before the other has answered."""

import asyncio
from pathlib import Path

import pytest
from support.handing_puppet import ROUTES
from support.waiting import wait_until

pytestmark = pytest.mark.processes


async def test_the_whole_turn_is_run_again_and_is_one_record(deploy, line, strings, tmp_path: Path):
    routes = tmp_path / "routes.toml"
    routes.write_text(ROUTES)
    deployment = await deploy(webs=1, workers=1, ROUTES=str(routes))
    caller = line(deployment)
    await caller.ring()
    asked = asyncio.create_task(caller.say(1, "wait for gate"))
    await wait_until(lambda: strings.is_running("gate"), "the second agent is at work")

    await deployment.workers[0].kill()
    strings.go("gate")

    assert await caller.words(await asked) == "One moment. Well. You said wait for gate."
    assert await caller.recorded() == [("start", "replied"), ("turn-1", "replied")]
    state = await caller.state()
    assert (state["agent"], state["slots"]) == ("billing", {"handed": ["turn-1"], "seen": ["turn-1"]})
    assert deployment.runs["CA1/turn-1/h1"] == 2
    assert await caller.words(await caller.say(2, "and now")) == "You said and now."
