"""One run: secrets are told to a deployment under faults, and then looked for everywhere."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from random import Random

from canaries.callers import Callers
from canaries.canary import Search
from canaries.evidence import search
from canaries.observers import ALL_CALLS, Findings, Visitor, record_messages
from canaries.plan import Planting
from canaries.report import Report
from canaries.stage import Stage
from soak.faults import Faults, plan
from soak.provider import Provider
from soak.sinks import Sinks

from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger("canaries")

WEIGHTS = {
    "worker killed": 4, "worker frozen": 2, "worker rolled": 1, "web killed": 2, "all cut": 3,
    "cut after a command": 3, "redis killed": 2, "sink failing": 1, "sink killed": 1,
}  # fmt: skip
FAULT_EVERY_SECONDS = 1.5
CALLS_AT_ONCE = 12
DELIVERY_SECONDS = 20.0


async def run(plantings: list[Planting], *, seed: int, fault_seconds: float, encrypts: bool) -> Report:
    """Plant all of them, with faults for so many seconds, and say which were found where."""
    findings = Findings(Search(planting.canary for planting in plantings))
    async with Stage(seed, encrypts=encrypts) as stage:
        deployment = stage.deployment
        logger.info("All processes run; %d secrets are told", len(plantings))
        callers = Callers(
            Provider(deployment.ingresses), deployment.relay_ingresses, stage.told_file, Random(f"{seed}/callers")
        )
        visitor = Visitor([*deployment.ingresses, *deployment.relay_ingresses], stage.read_secret, findings)
        faults = Faults(deployment, stage.sinks)
        planned = plan(
            Random(f"{seed}/faults"), seconds=fault_seconds, every=FAULT_EVERY_SECONDS, weights=WEIGHTS
        )  # fmt: skip
        watching = [
            asyncio.create_task(record_messages(deployment.redis.url, findings)),
            asyncio.create_task(visitor.visit_for_ever()),
        ]
        try:
            _, lost = await asyncio.gather(faults.inject(planned), _tell_all(callers, plantings))
            logger.info("All were told, and %d faults are over", len(faults.injected))
            await _until_delivered(stage.sinks)
            await visitor.visit(deployment.ingresses[0], ALL_CALLS)
        finally:
            await cancel_and_wait(*watching)
        logger.info("Searching what is left")
        await search(findings, stage, callers.documents)
        exits = tuple(deployment.exits)
    return Report(
        findings.found, findings.read, encrypts, faults.by_kind, len(plantings), lost, exits, findings.samples
    )  # fmt: skip


async def _tell_all(callers: Callers, plantings: Iterable[Planting]) -> tuple[str, ...]:
    """Tell all of them, some at a time; the names of those that did not reach the agent."""
    room, lost = asyncio.Semaphore(CALLS_AT_ONCE), []

    async def tell(planting: Planting) -> None:
        async with room:
            if not await callers.tell(planting):
                lost.append(planting.canary.name)

    await asyncio.gather(*(tell(planting) for planting in plantings))
    return tuple(sorted(lost))


async def _until_delivered(sinks: Sinks) -> None:
    """Wait until the sinks are told nothing more, or for as long as that may take."""
    before = -1
    with suppress(TimeoutError):
        async with asyncio.timeout(DELIVERY_SECONDS):
            while (now := sum(map(len, (await sinks.told()).values()))) != before:
                before = now
                await asyncio.sleep(1)
