"""Real processes: a receiver is down, a person sees what waits for it, repairs it and has it tried again."""

import json
import shutil
from typing import Any

import pytest
from support.deployment import Deployment
from support.line import Line
from support.terminal import run_script
from support.told_events import ToldEvents
from support.waiting import wait_until
from support.webhook_receiver import status

pytestmark = pytest.mark.processes


async def events(deployment: Deployment, *arguments: str) -> str:
    """What `voiceagent events ARGUMENTS` prints, with the settings of the deployment."""
    settings = deployment.webs[0].environment
    code, output, errors = await run_script("events", *arguments, cwd=deployment.directory, settings=settings)
    assert (code, errors) == (0, "")
    return output


async def first(deployment: Deployment) -> dict[str, Any]:
    """The first delivery that is not made; {} if all are."""
    found: list[dict[str, Any]] = json.loads(await events(deployment, "--json"))["events"]
    return found[0] if found else {}


async def test_what_failed_is_seen_and_tried_again_at_once() -> None:
    down = [status(503)] * 1000
    async with ToldEvents(*down) as told, Deployment(webs=1, workers=1, AGENT="echo", **told.settings) as running:
        await Line(running).ring()

        async def has_failed_twice() -> bool:
            if (await first(running)).get("attempts", 0) < 2:
                await events(running, "retry")
            return (await first(running)).get("attempts", 0) >= 2

        await wait_until(has_failed_twice, "the second attempt fails")
        assert "The webhook answered with HTTP status 503." in await events(running)
        told.receiver.answers.clear()

        async def is_delivered() -> bool:
            await events(running, "retry")
            return await events(running) == "Every event is delivered.\n"

        await wait_until(is_delivered, "nothing waits")
        assert told.types("CA1") == ["call.started"]
    shutil.rmtree(running.directory, ignore_errors=True)


async def test_what_was_refused_for_good_is_replayed_under_its_id() -> None:
    async with ToldEvents(status(422)) as told, Deployment(webs=1, workers=1, AGENT="echo", **told.settings) as running:
        await Line(running).ring()

        async def is_dead() -> bool:
            return (await first(running)).get("state") == "dead"

        await wait_until(is_dead, "the event is dead")
        assert await events(running, "replay", "CA1", "1") == "1 delivery will be made again.\n"
        await wait_until(lambda: len(told.requests) == 2, "the receiver gets it again")
        refused, replayed = (request.headers["webhook-id"] for request in told.requests)
        assert refused == replayed
    shutil.rmtree(running.directory, ignore_errors=True)
