"""A worker's part in a rollout: what it reports, when it asks Redis nothing, and what it does when the plan is lost."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest
from redis.asyncio import Redis
from support.waiting import wait_until

from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.tasks import cancel_and_wait
from orchestrator.worker_versions.changes import cleared, ramped, rolled_back
from orchestrator.worker_versions.outcomes import TurnOutcomes
from orchestrator.worker_versions.plan import RolloutPlan
from orchestrator.worker_versions.redis.plan_store import RolloutPlans
from orchestrator.worker_versions.redis.scripts import Reported
from workers.rollout_watch import RolloutWatch

Watching = Callable[..., object]


@pytest.fixture
def plans(redis_client: Redis) -> RolloutPlans:
    return RolloutPlans(StoreConnection(redis_client, nullcontext), (keys.SINGLE_SHARD,))


async def ramp(plans: RolloutPlans) -> RolloutPlan:
    before = await plans.read()
    await plans.change(before, ramped(before, "b", 20, {"a", "b"}))
    return await plans.read()


@asynccontextmanager
async def watching(plans: RolloutPlans, version: str, outcomes: TurnOutcomes) -> AsyncIterator[RolloutWatch]:
    """A worker's watch, with short rounds."""
    watch = RolloutWatch(plans, outcomes, f"worker of {version}", version, seconds=0.01)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        await cancel_and_wait(task)


def failing(turns: int, how: str = "failed") -> TurnOutcomes:
    outcomes = TurnOutcomes()
    for _ in range(turns):
        outcomes.ended(how)
    return outcomes


async def reported(redis: Redis, version: str) -> str:
    return ((await redis.hget(keys.SINGLE_SHARD.rollout_outcomes, f"of:{version}")) or b"").decode()


async def test_a_ramp_whose_version_fails_ends_and_one_worker_logs_it(plans, redis_client, caplog) -> None:
    plan = await ramp(plans)
    answering, raising = failing(30, "replied"), TurnOutcomes()
    async with watching(plans, "a", answering) as a, watching(plans, "b", raising) as b:
        a.noticed(True)
        b.noticed(True)
        await wait_until(lambda: reported(redis_client, "a"), "the current version's turns are reported")
        for _ in range(20):
            raising.ended("timed_out")
        await wait_until(lambda: has_ended(plans), "the ramp has ended")
        await wait_until(lambda: logged(caplog), "a worker has logged it")
    after = await plans.read()
    assert (after.revision, after.current, after.ramping, after.percent) == (plan.revision + 1, "a", "", 0)
    (record,) = logged(caplog)
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "Rolled b back, which was ramped to 20 %: 20 of its last 20 turns failed, and 0 of the last 30 of a. "
        "New calls begin at a."
    )


async def has_ended(plans: RolloutPlans) -> bool:
    return not (await plans.latest()).ramping


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "action", "") == "rollout.rolled_back"]


async def test_turns_of_the_ramping_version_from_before_the_ramp_do_not_count(plans, redis_client) -> None:
    outcomes = failing(50)
    await asyncio.sleep(0)
    await ramp(plans)
    async with watching(plans, "b", outcomes) as watch:
        watch.noticed(True)
        await wait_until(lambda: watch.revision == 1, "the plan is known")
        outcomes.ended("replied")
        await wait_until(lambda: reported(redis_client, "b"), "a turn is reported")
    assert await reported(redis_client, "b") == "0"
    assert (await plans.latest()).ramping == "b"


async def test_a_worker_of_another_version_reports_nothing(plans, redis_client) -> None:
    await ramp(plans)
    async with watching(plans, "c", failing(50)) as watch:
        watch.noticed(True)
        await wait_until(lambda: watch.revision == 1, "the plan is known")
    assert not await redis_client.exists(keys.SINGLE_SHARD.rollout_outcomes)


async def test_without_a_plan_it_asks_redis_nothing(plans, redis_client) -> None:
    await redis_client.config_resetstat()
    async with watching(plans, "a", failing(50)) as watch:
        watch.noticed(False)
        await asyncio.sleep(0)
        assert (await redis_client.info("stats"))["total_commands_processed"] <= 1
        before = await ramp(plans)
        watch.noticed(True)
        await wait_until(lambda: watch.revision == 1, "the plan is known")
        await plans.change(before, cleared(before))
        await wait_until(lambda: watch.revision == 2, "it is known that the plan is cleared")
        await wait_until(lambda: not watch.is_watching, "it watches no more")


async def test_a_plan_that_redis_has_lost_is_written_again(plans, redis_client) -> None:
    known = await ramp(plans)
    async with watching(plans, "c", TurnOutcomes()) as watch:
        watch.noticed(True)
        await wait_until(lambda: watch.revision == 1, "the plan is known")
        await redis_client.delete(keys.SINGLE_SHARD.rollout, keys.ROLLOUT_MARK)
        await wait_until(lambda: redis_client.exists(keys.SINGLE_SHARD.rollout), "it is there again")
        assert await plans.latest() == known
        await plans.change(known, rolled_back(known, {"a"}))
        await wait_until(lambda: watch.revision == 2, "a later change is known")


class LosesAnswers(RolloutPlans):
    """Loses the answer to the first report, and has more turns end meanwhile."""

    lost = 0
    outcomes: TurnOutcomes

    async def report(self, *args: Any) -> Reported:
        answer = await super().report(*args)
        if not self.lost:
            self.lost += 1
            for _ in range(15):
                self.outcomes.ended("replied")
            raise StoreUnavailable("the answer was lost")
        return answer


async def test_what_ends_while_an_answer_is_lost_counts_once_as_well(redis_client) -> None:
    plans = LosesAnswers(StoreConnection(redis_client, nullcontext), (keys.SINGLE_SHARD,))
    await ramp(plans)
    plans.outcomes = failing(5)
    async with watching(plans, "a", plans.outcomes) as watch:
        watch.noticed(True)
        await wait_until(lambda: has_reported(redis_client, "a", 20), "all turns are reported")
    assert await reported(redis_client, "a") == "1" * 5 + "0" * 15


async def has_reported(redis: Redis, version: str, turns: int) -> bool:
    return len(await reported(redis, version)) >= turns


async def test_another_plan_with_the_same_number_is_followed_after_a_failover(plans, redis_client) -> None:
    await ramp(plans)
    outcomes = TurnOutcomes()
    async with watching(plans, "c", outcomes) as watch:
        watch.noticed(True)
        await wait_until(lambda: watch.revision == 1, "the plan is known")
        other = RolloutPlan().next(current="a", ramping="c", percent=5.0)
        fields = other.fields() | {"revision": "1", "change": "of another", "ramp_began": "1.000"}
        async with redis_client.pipeline() as pipe:
            pipe.delete(keys.SINGLE_SHARD.rollout)
            pipe.hset(keys.SINGLE_SHARD.rollout, mapping=fields)
            pipe.expire(keys.SINGLE_SHARD.rollout, 100)
            await pipe.execute()
        outcomes.ended("replied")
        await wait_until(lambda: reported(redis_client, "c"), "it reports for the other plan")
