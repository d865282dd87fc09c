"""The rollout plan in Redis: two operators, copies of a cluster's shards, and what ends a ramp."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from support.cluster import ClusterTopology
from support.servers import RedisServer

from orchestrator.errors import RolloutChanged, StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.connections import connect
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.settings import Settings
from orchestrator.worker_versions.changes import cleared, promoted, ramped, rolled_back
from orchestrator.worker_versions.plan import AutomaticRollback, RolloutPlan, Tally
from orchestrator.worker_versions.redis.plan_store import RolloutPlans

pytestmark = pytest.mark.processes

BOTH = ("a", "b")


@pytest.fixture(params=["one server", "cluster"])
async def redis(request: pytest.FixtureRequest, redis_server: RedisServer) -> AsyncIterator[Redis]:
    if request.param == "one server":
        redis_server.client().flushall()
        url = redis_server.url
    else:
        cluster: ClusterTopology = request.getfixturevalue("cluster")
        url = cluster.url
    async with connect(Settings(redis_url=url)) as client:
        yield client


@pytest.fixture
def plans(redis: Redis) -> RolloutPlans:
    return RolloutPlans(StoreConnection(redis, nullcontext), shards_of(redis))


async def ramp(plans: RolloutPlans, version: str = "b", percent: float = 20) -> RolloutPlan:
    before = await plans.read()
    assert await plans.change(before, ramped(before, version, percent, {*BOTH, version})) == 0
    return await plans.read()


async def copies(redis: Redis) -> list[dict[str, str]]:
    """What a script finds in each shard."""
    found = [await redis.hgetall(shard.rollout) for shard in shards_of(redis)]
    texts = [{name.decode(): value.decode() for name, value in copy.items()} for copy in found]
    return [{name: copy.get(name, "") for name in ("revision", "current", "ramping", "percent")} for copy in texts]


async def test_where_there_is_none_the_plan_is_empty_and_nothing_is_written(redis, plans) -> None:
    assert await plans.read() == await plans.latest() == RolloutPlan()
    assert await redis.exists(keys.ROLLOUT_MARK) == 0
    assert [await redis.exists(shard.rollout) for shard in shards_of(redis)] == [0] * len(shards_of(redis))


async def test_a_change_is_in_every_shard_and_marked_for_heartbeats(redis, plans) -> None:
    plan = await ramp(plans)
    expected = {"revision": "1", "current": "a", "ramping": "b", "percent": "20"}
    assert await copies(redis) == [expected] * len(shards_of(redis))
    assert plan == await plans.latest()
    assert plan.changed_at == plan.ramp_began > 1_000_000_000
    assert await redis.exists(keys.ROLLOUT_MARK) == 1
    for name in [keys.ROLLOUT_MARK, *(shard.rollout for shard in shards_of(redis))]:
        assert await redis.pttl(name) > 0


async def test_of_two_operators_who_saw_the_same_plan_one_is_told(plans) -> None:
    seen = await ramp(plans)
    first, second = promoted(seen, "b", BOTH), rolled_back(seen, BOTH)
    outcomes = await asyncio.gather(plans.change(seen, first), plans.change(seen, second), return_exceptions=True)
    assert sorted(map(repr, outcomes)) == ["0", repr(RolloutChanged())]
    winner = first if outcomes[0] == 0 else second
    assert (await plans.read()).current == winner.current


async def test_a_cleared_plan_says_nothing_and_its_revision_goes_on(redis, plans) -> None:
    seen = await ramp(plans)
    await plans.change(seen, cleared(seen))
    plan = await plans.read()
    assert (plan.revision, plan.is_active) == (2, False)
    assert await redis.exists(keys.ROLLOUT_MARK) == 0
    assert (await ramp(plans)).revision == 3


async def test_a_wider_ramp_is_the_same_ramp_and_a_later_one_is_another(plans) -> None:
    first = await ramp(plans)
    wider = await ramp(plans, percent=50)
    assert (wider.ramp_began, wider.percent) == (first.ramp_began, 50)
    await plans.change(wider, rolled_back(wider, BOTH))
    assert (await ramp(plans)).ramp_began > first.ramp_began


@pytest.mark.parametrize("lost", [0, 3])
async def test_a_copy_that_was_lost_is_written_again_by_whoever_reads(cluster_client, lost) -> None:
    plans = RolloutPlans(StoreConnection(cluster_client, nullcontext), keys.SHARDS)
    await ramp(plans)
    known = await ramp(plans, percent=50)
    await cluster_client.delete(keys.SHARDS[lost].rollout)
    await cluster_client.delete(keys.ROLLOUT_MARK)
    assert await plans.read() == known
    assert {copy["percent"] for copy in await copies(cluster_client)} == {"50"}
    assert await cluster_client.exists(keys.ROLLOUT_MARK) == 1


async def test_a_plan_that_was_lost_is_written_again_by_a_worker_that_knows_it(redis, plans) -> None:
    known = await ramp(plans)
    for name in [keys.ROLLOUT_MARK, *(shard.rollout for shard in shards_of(redis))]:
        await redis.delete(name)
    await plans.renew(known)
    assert await plans.read() == known
    assert await redis.exists(keys.ROLLOUT_MARK) == 1


async def test_an_older_copy_takes_no_newer_ones_place(redis, plans) -> None:
    old = await ramp(plans)
    await ramp(plans, percent=50)
    await plans.renew(old)
    assert {copy["percent"] for copy in await copies(redis)} == {"50"}


async def test_a_key_of_another_type_is_set_aside(redis, plans) -> None:
    shards = shards_of(redis)
    for shard in shards:
        await redis.set(shard.rollout, "mine", ex=100)
    assert (await ramp(plans)).ramping == "b"
    assert len(await copies(redis)) == len(shards)


async def test_a_redis_that_is_down_is_said_to_be(redis_server: RedisServer) -> None:
    async with connect(Settings(redis_url="redis://127.0.0.1:1/0")) as client:
        with pytest.raises(StoreUnavailable):
            await RolloutPlans(StoreConnection(client, nullcontext), shards_of(client)).read()


def turns(answered: int, failed: int) -> list[bool]:
    return [False] * answered + [True] * failed


async def report(plans: RolloutPlans, plan: RolloutPlan, version: str, answered: int, failed: int, number: int = 1):
    return await plans.report(plan, f"worker of {version}", version, number, turns(answered, failed))


@pytest.mark.parametrize(
    ("current", "ramping", "ends"),
    [
        ((50, 0), (18, 2), True),
        ((50, 0), (19, 1), False),
        ((0, 0), (18, 2), True),
        ((0, 0), (17, 2), False),  # too few
        ((40, 10), (14, 6), True),  # 20 % and 10 points, in whole numbers
        ((40, 10), (35, 15), True),
        ((40, 10), (36, 14), False),
        ((45, 5), (41, 9), False),
        ((0, 50), (0, 50), False),  # both fail: that is not the new version's fault
    ],
)
async def test_a_ramp_ends_by_itself_if_its_version_fails_ten_points_more_often(plans, current, ramping, ends) -> None:
    plan = await ramp(plans)
    if any(current):
        assert not (await report(plans, plan, "a", *current)).ends_ramp
    reported = await report(plans, plan, "b", *ramping)
    after = await plans.read()
    assert reported.ends_ramp == ends == (after.ramping == "")
    assert reported.revision == after.revision == plan.revision + ends
    if ends:
        assert (after.current, after.percent) == ("a", 0)
        expected = AutomaticRollback("b", Tally(sum(ramping), ramping[1]), Tally(sum(current), current[1]))
        assert after.rollback == expected


async def test_only_one_worker_ends_a_ramp_and_it_is_told_again_if_the_answer_was_lost(redis, plans) -> None:
    plan = await ramp(plans)
    for _ in range(3):  # as often as the answer is lost
        assert (await report(plans, plan, "b", 0, 19)).ends_ramp is False
    reports = await asyncio.gather(*(plans.report(plan, f"w{n}", "b", 1, turns(0, 5)) for n in range(5)))
    assert sum(it.ends_ramp for it in reports) == 1
    (one,) = [n for n, it in enumerate(reports) if it.ends_ramp]
    assert (await plans.report(plan, f"w{one}", "b", 1, turns(0, 5))).ends_ramp
    assert (await plans.read()).revision == plan.revision + 1
    assert await redis.pttl(shards_of(redis)[0].rollout_outcomes) > 0


async def test_a_batch_that_comes_twice_counts_once(plans) -> None:
    plan = await ramp(plans)
    for _ in range(4):
        assert not (await report(plans, plan, "b", 0, 10)).ends_ramp
    assert (await report(plans, plan, "b", 0, 10, number=2)).ends_ramp


async def test_only_the_last_fifty_turns_count(plans) -> None:
    plan = await ramp(plans)
    assert not (await report(plans, plan, "b", 1, 18)).ends_ramp
    assert not (await report(plans, plan, "b", 50, 0, number=2)).ends_ramp
    assert not (await report(plans, plan, "b", 0, 4, number=3)).ends_ramp
    assert (await report(plans, plan, "b", 0, 1, number=4)).ends_ramp


async def test_turns_of_an_earlier_ramp_do_not_count(plans) -> None:
    first = await ramp(plans)
    await report(plans, first, "b", 0, 19)
    await plans.change(first, rolled_back(first, BOTH))
    second = await ramp(plans)
    assert not (await report(plans, first, "b", 0, 19, number=2)).ends_ramp, "a worker that has not read the new plan"
    assert not (await report(plans, second, "b", 0, 19, number=3)).ends_ramp
    assert (await report(plans, second, "b", 0, 1, number=4)).ends_ramp


async def test_what_another_version_reports_ends_nothing(plans) -> None:
    plan = await ramp(plans)
    assert not (await report(plans, replace(plan), "c", 0, 50)).ends_ramp
    assert (await plans.read()).ramping == "b"
