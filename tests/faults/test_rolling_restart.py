"""Every process is deployed over while calls go on."""

import asyncio
from random import Random

import pytest
from soak.audit import audit
from soak.callers import ApiCaller, PhoneCaller, all_answered
from soak.provider import Provider

pytestmark = pytest.mark.processes


async def test_a_rolling_restart_of_every_process_under_load_loses_doubles_and_reorders_nothing(deploy):
    deployment = await deploy(webs=2, workers=2, AGENT="soak.script:reply")
    provider, stop = Provider(deployment.ingresses), asyncio.Event()
    callers = [(PhoneCaller if n % 3 else ApiCaller)(provider, Random(n), stop) for n in range(30)]
    async with asyncio.TaskGroup() as group:
        for caller in callers:
            group.create_task(caller.call_for_ever())
        await all_answered(callers)
        for member in deployment.members:
            assert await member.roll() is None
            await all_answered(callers)
        stop.set()

    verdict = await audit([journal for caller in callers for journal in caller.journals], provider, deployment.redis)
    assert verdict.findings == []
    assert set(verdict.outcomes) <= {"replied", "interrupted", "dropped"}
