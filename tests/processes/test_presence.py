"""An ingress reports itself to Redis, and notes that it has ended."""

from contextlib import contextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from support.reported_workers import report_process
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.processes.redis.presence import RedisPresence
from orchestrator.processes.redis.reports import read_reports
from orchestrator.redis import keys

QUICK = 0.02


class Line:
    """Stands for the breaker: `is_cut` is an outage."""

    def __init__(self) -> None:
        self.is_cut = False

    @contextmanager
    def guard(self) -> Any:
        if self.is_cut:
            raise StoreUnavailable
        yield


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def presence(redis_client: Redis, line: Line) -> RedisPresence:
    return RedisPresence(redis_client, line.guard, "i1", QUICK)


def report() -> dict[str, Any]:
    return {"role": "ingress", "host": "anna", "pid": 7, "sockets": 2}


async def test_it_is_there_while_it_runs_and_then_noted_as_ended(redis_client: Redis, presence: RedisPresence) -> None:
    async with presence.reporting(report):
        await wait_until(lambda: presence.processes(), "it is listed")
        (process,) = await presence.processes()
        assert (process["id"], process["host"], process["sockets"]) == ("i1", "anna", 2)
        assert 600 < await redis_client.ttl(keys.PROCESSES) <= 660
        first = (await read_reports(redis_client))["i1"]["seen_at"]

        async def reported_again() -> bool:
            return bool((await read_reports(redis_client))["i1"]["seen_at"] > first)

        await wait_until(reported_again, "it reports again")
    assert await presence.processes() == []
    assert "left_at" in (await presence.reports())["i1"]


async def test_an_outage_ends_no_report_and_makes_nobody_seem_lost(
    redis_client: Redis, presence: RedisPresence, line: Line
) -> None:
    async with presence.reporting(report):
        await wait_until(lambda: presence.processes(), "it is listed")
        line.is_cut = True
        with pytest.raises(StoreUnavailable):
            await presence.processes()
        await redis_client.delete(keys.PROCESSES)
        line.is_cut = False
        await wait_until(lambda: presence.processes(), "it is listed again")
    line.is_cut = True
    async with presence.reporting(report):
        pass  # which ends although the end cannot be noted


async def test_a_key_of_another_type_is_set_aside(redis_client: Redis, presence: RedisPresence) -> None:
    await redis_client.set(keys.PROCESSES, "a string", ex=100)
    assert await presence.processes() == []
    await redis_client.set(keys.PROCESSES, "a string", ex=100)
    async with presence.reporting(report):
        await wait_until(lambda: presence.processes(), "it is listed")


async def test_old_reports_are_removed(redis_client: Redis, presence: RedisPresence) -> None:
    await report_process(redis_client, "old", seen_at=clock.now() - 700)
    async with presence.reporting(report):

        async def is_gone() -> bool:
            return not await redis_client.hexists(keys.PROCESSES, "old")  # type: ignore[misc]

        await wait_until(is_gone, "it is removed")
