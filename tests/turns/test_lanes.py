"""Calls wait in lanes, by pinned version and by tenant: nobody waits behind others, or for nobody."""

import hashlib

import pytest
from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.redis.key_types import type_of
from orchestrator.testing.example_turns import OPENING, a_turn, claimed, commit
from orchestrator.turns.redis.lane import Running, Taker
from orchestrator.turns.redis.lease_scripts import ClaimedJobs, Grant, QueuedJob
from orchestrator.turns.redis.queue_scripts import keep_version, leave_version
from orchestrator.turns.redis.store import RedisTurnStore
from workers.version_presence import VersionPresence

SHARD = keys.SINGLE_SHARD
ALIVE_MS = 3_600_000


class Fleet:
    """Workers of versions, as far as Redis can tell, over one server."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.ingress = RedisTurnStore(redis, ttl_seconds=1000, lease_seconds=600, listener="here")

    def worker(self, version: str = "", *, pins: bool = True, most_of_tenant: int | None = None) -> RedisTurnStore:
        taker = Taker(version, pins=pins, most_of_tenant=most_of_tenant)
        return RedisTurnStore(self.redis, ttl_seconds=1000, lease_seconds=600, taker=taker)

    async def live(self, version: str, holder: str = "anna", life_ms: int = ALIVE_MS) -> None:
        await self.ingress.connection.run(
            keep_version(shard=SHARD, holder=holder, version=version, life_ms=life_ms)
        )  # fmt: skip

    async def die(self, version: str, holder: str = "anna") -> None:
        """As if it had said nothing for long."""
        await self.redis.zadd(SHARD.version_workers(version), {holder: 1})

    async def leave(self, version: str, holder: str = "anna") -> int:
        return await self.ingress.connection.run(leave_version(shard=SHARD, holder=holder, version=version))

    async def submit(self, call_sid: str, turn_id: str = "t1", tenant: str = "") -> None:
        opening = {**OPENING, "tenant": tenant} if tenant else OPENING
        await self.ingress.submit(a_turn(turn_id, call_sid), opening=opening)

    async def pin(self, call_sid: str, version: str) -> None:
        """Let a worker of that version take the first turn of the call, and answer it."""
        await self.submit(call_sid, "t0")
        store = self.worker(version)
        await commit(store, await claimed(store, call_sid, holder=f"of {version}"))
        await self.redis.zrem(SHARD.queue, f"turns:{call_sid}")

    async def plan(self, **fields: str) -> None:
        await self.redis.hset(SHARD.rollout, mapping=fields)
        await self.redis.expire(SHARD.rollout, 100)


async def take(store: RedisTurnStore, most: int = 1, holder: str = "bert", **running: int) -> ClaimedJobs:
    return await store.job_claims.claim(
        SHARD, holder=holder, most=most, look_at=10, in_progress_ms=10_000, running=Running(running)
    )


async def taken(store: RedisTurnStore, most: int = 1, holder: str = "bert", **running: int) -> list[str]:
    jobs = (await take(store, most, holder, **running)).jobs
    return [job.lease.call_sid if isinstance(job, Grant) else job.job_id.decode() for job in jobs]  # type: ignore[union-attr]


@pytest.fixture
def fleet(redis_client: Redis) -> Fleet:
    return Fleet(redis_client)


async def test_a_call_stays_with_the_version_that_took_its_first_turn(fleet: Fleet) -> None:
    await fleet.live("1")
    await fleet.live("2")
    await fleet.pin("CA1", "1")
    await fleet.submit("CA1", "t1")
    assert await taken(fleet.worker("2")) == []
    assert await taken(fleet.worker("")) == [], "nor does an older worker see it"
    assert await taken(fleet.worker("1")) == ["CA1"]


async def test_a_call_whose_version_has_no_worker_is_anyones_and_then_pinned_again(fleet: Fleet) -> None:
    await fleet.live("2")
    await fleet.pin("CA1", "1")
    await fleet.submit("CA1", "t1")
    [grant] = (await take(fleet.worker("2"))).jobs
    assert isinstance(grant, Grant)
    assert grant.moved_from == "1"
    await fleet.live("1")
    await fleet.submit("CA2", "t1")
    claim = await fleet.worker("2").claims.open(grant)
    assert claim is not None
    await commit(fleet.worker("2"), claim)
    await fleet.submit("CA1", "t2")
    assert await taken(fleet.worker("1"), most=5) == ["CA2"], "it stays where it went"
    assert await taken(fleet.worker("2")) == ["CA1"]


async def test_a_call_that_waits_for_a_version_whose_last_worker_dies_is_rescued_for_anyone(fleet: Fleet) -> None:
    await fleet.live("1")
    await fleet.live("2")
    await fleet.pin("CA1", "1")
    await fleet.submit("CA1", "t1")
    await fleet.die("1")
    assert await taken(fleet.worker("2")) == []
    await fleet.redis.zadd(SHARD.due, {"CA1": 1})
    assert await fleet.ingress.call_queue.rescue() == ["CA1"]
    assert await taken(fleet.worker("2")) == ["CA1"]
    await fleet.live("1")
    assert await taken(fleet.worker("1")) == [], "what is left in the lane of the dead grants nothing twice"


async def test_the_last_worker_of_a_version_that_leaves_leaves_its_calls_to_anyone_at_once(fleet: Fleet) -> None:
    for version, holder in (("1", "anna"), ("1", "adam"), ("2", "bert")):
        await fleet.live(version, holder)
    for number in range(3):
        await fleet.pin(f"CA{number}", "1")
        await fleet.submit(f"CA{number}", "t1", tenant="north" if number else "")
    assert await fleet.leave("1", "adam") == 0
    assert await taken(fleet.worker("2"), most=9) == []
    assert await fleet.leave("1", "anna") == 3
    assert await fleet.redis.llen(SHARD.wake) >= 3, "workers are woken for them"
    assert sorted(await taken(fleet.worker("2"), most=9)) == ["CA0", "CA1", "CA2"]


async def test_a_pinned_call_that_lies_among_those_of_anyone_goes_to_its_version_while_that_lives(fleet: Fleet) -> None:
    """An ingress of an older program puts it there."""
    await fleet.live("1")
    await fleet.live("2")
    await fleet.pin("CA1", "1")
    await fleet.submit("CA1", "t1")
    await fleet.redis.zrem(SHARD.version_queue("1"), "turns:CA1")
    await fleet.redis.zadd(SHARD.queue, {"turns:CA1": 1})
    assert await taken(fleet.worker("2")) == []
    assert await taken(fleet.worker("1")) == ["CA1"]


async def test_a_planned_call_begins_at_the_version_of_the_plan_if_that_lives(fleet: Fleet) -> None:
    await fleet.plan(revision="1", current="1", ramping="2", percent="20")
    await fleet.live("1")
    await fleet.live("2")
    calls = [f"CA{number}" for number in range(60)]
    ramped = {sid for sid in calls if int(hashlib.sha1(sid.encode()).hexdigest()[:8], 16) % 10000 < 2000}
    for sid in calls:
        await fleet.submit(sid)
    assert set(await taken(fleet.worker("2"), most=10) + await taken(fleet.worker("2"), most=50)) <= ramped
    others: list[str] = []
    while found := await taken(fleet.worker("1"), most=10):
        others += found
    assert set(others) == set(calls) - ramped
    await fleet.die("2")
    sid = next(iter(ramped)) + "x"
    await fleet.submit(sid)
    assert await taken(fleet.worker("1"), most=10) == [sid], "nobody waits for a version that nobody runs"


async def test_the_one_call_of_a_tenant_is_among_the_next_though_another_has_a_thousand(fleet: Fleet) -> None:
    for number in range(1000):
        await fleet.submit(f"CA{number}", tenant="loud")
    await fleet.submit("CB1", tenant="quiet")
    store = fleet.worker("1")
    assert "CB1" in [sid for _ in range(2) for sid in await taken(store)]
    for number in range(2, 5):
        await fleet.submit(f"CB{number}", tenant="quiet")
        await fleet.submit(f"CC{number}")
        next_ones = [sid for _ in range(3) for sid in await taken(store)]
        assert {f"CB{number}", f"CC{number}"} < {*next_ones}, "and neither a tenant's nor nobody's waits longer"


async def test_tenants_are_served_in_turns_as_long_as_each_has_calls_waiting(fleet: Fleet) -> None:
    for number in range(30):
        for tenant in ("north", "south", "east"):
            await fleet.submit(f"{tenant}{number}", tenant=tenant)
    store = fleet.worker("1")
    found = [sid for _ in range(30) for sid in await taken(store)]
    for place in range(0, 30, 3):
        assert {sid.rstrip("0123456789") for sid in found[place : place + 3]} == {"north", "south", "east"}, found


@pytest.mark.parametrize("tenant", ["", "north"])
async def test_a_backlog_of_a_version_and_one_of_anyones_calls_do_not_keep_each_other_waiting(
    fleet: Fleet, tenant: str
) -> None:
    await fleet.live("1")
    for number in range(20):
        await fleet.pin(f"P{number}", "1")
        await fleet.submit(f"P{number}", "t1")
    for number in range(20):
        await fleet.submit(f"A{number}", tenant=tenant)
    store = fleet.worker("1")
    found = [sid[0] for _ in range(20) for sid in await taken(store)]
    assert found.count("P") == found.count("A") == 10, found


async def test_a_backlog_of_arqs_own_jobs_keeps_no_lane_waiting(fleet: Fleet) -> None:
    await fleet.redis.zadd(SHARD.queue, {f"job{number}": 1 for number in range(50)})
    await fleet.redis.expire(SHARD.queue, 100)
    await fleet.submit("CA1", tenant="north")
    store = fleet.worker("1")
    assert "CA1" in [sid for _ in range(3) for sid in await taken(store)]
    assert any(isinstance(job, QueuedJob) for job in (await take(store)).jobs)


async def test_a_worker_takes_no_more_of_a_tenant_than_it_may_run_but_of_the_others(fleet: Fleet) -> None:
    for number in range(9):
        await fleet.submit(f"CA{number}", tenant="loud")
    store = fleet.worker("1", most_of_tenant=4)
    first = await take(store, most=8, loud=1)
    assert len(first.jobs) == 3
    assert first.is_capped
    await fleet.submit("CB1", tenant="quiet")
    second = await take(store, most=5, loud=4)
    assert [job.lease.call_sid for job in second.jobs if isinstance(job, Grant)] == ["CB1"]
    assert len((await take(store, most=8, loud=2, quiet=1)).jobs) == 2


async def test_every_version_is_known_though_the_first_was_said_long_ago(fleet: Fleet) -> None:
    for version in ("1", "2", "1", "3"):
        await fleet.live(version)
    assert {name.decode() for name in await fleet.redis.zrange(SHARD.versions, 0, -1)} == {"1", "2", "3"}


@pytest.mark.parametrize("name", ["wake", "workers", "tenants", "health-check", "version"])
async def test_a_tenant_or_version_of_any_name_is_a_lane(fleet: Fleet, name: str) -> None:
    await fleet.live(name)
    await fleet.pin("CA1", name)
    await fleet.submit("CA1", "t1", tenant=name)
    await fleet.submit("CA2", "t1", tenant=name)
    found = {key.decode(): (await fleet.redis.type(key)).decode() async for key in fleet.redis.scan_iter("arq:queue*")}
    assert found == {key: type_of(key) for key in found}
    assert sorted(await taken(fleet.worker(name), most=5)) == ["CA1", "CA2"]


async def test_every_key_of_lanes_has_a_time_to_live(fleet: Fleet) -> None:
    await fleet.live("1")
    await fleet.pin("CA1", "1")
    await fleet.submit("CA1", "t1", tenant="north")
    await fleet.submit("CA2", tenant="south")
    await take(fleet.worker("1"))
    await fleet.leave("1")
    await take(fleet.worker("2"), most=5)
    lasting = [key.decode() async for key in fleet.redis.scan_iter() if await fleet.redis.ttl(key) == -1]
    assert lasting == []


async def test_a_claim_looks_into_no_more_lanes_than_it_can_take_from(fleet: Fleet) -> None:
    for number in range(300):
        await fleet.submit(f"CA{number}", tenant=f"tenant{number}")
    await fleet.redis.config_resetstat()
    store = fleet.worker("1")
    assert len(await taken(store, most=2)) == 2
    stats = await fleet.redis.info("commandstats")
    assert stats["cmdstat_zrangebyscore"]["calls"] < 10
    found: list[str] = []
    while some := await taken(store, most=7):
        found += some
    assert len(found) == 298
    assert await taken(store) == []


async def test_a_claim_that_can_take_nothing_leaves_the_wake_ups_to_others(fleet: Fleet) -> None:
    await fleet.submit("CA1", tenant="north")
    assert (await take(fleet.worker("1"), most=0)).jobs == []
    assert await fleet.redis.llen(SHARD.wake) == 1
    assert await taken(fleet.worker("1")) == ["CA1"]


async def test_a_version_that_comes_back_gets_no_call_that_has_gone_on_elsewhere(fleet: Fleet) -> None:
    await fleet.live("1")
    await fleet.live("2")
    await fleet.pin("CA1", "1")
    await fleet.submit("CA1", "t1")
    left = await fleet.redis.zrange(SHARD.version_queue("1"), 0, -1, withscores=True)
    await fleet.die("1")
    await fleet.redis.zadd(SHARD.due, {"CA1": 1})
    await fleet.ingress.call_queue.rescue()
    assert await fleet.redis.zcard(SHARD.version_queue("1")) == 0
    [grant] = (await take(fleet.worker("2"))).jobs
    assert isinstance(grant, Grant)
    claim = await fleet.worker("2").claims.open(grant)
    assert claim is not None
    await commit(fleet.worker("2"), claim)
    await fleet.live("1")
    await fleet.submit("CA1", "t2")
    await fleet.redis.zadd(SHARD.version_queue("1"), dict(left))
    assert await taken(fleet.worker("1"), most=5) == []
    assert await taken(fleet.worker("2"), most=5) == ["CA1"]


async def test_on_a_full_server_a_version_goes_on_living(start_redis) -> None:
    server = start_redis()
    async with Redis.from_url(server.url) as redis:
        fleet = Fleet(redis)
        store = fleet.worker("1")
        presence = VersionPresence(store, "anna", "1")
        await presence.say()
        await fleet.pin("CA1", "1")
        before = await redis.zscore(SHARD.version_workers("1"), "anna")
        await redis.config_set("maxmemory", 1)
        for _ in range(2):
            await presence.say()
        after = await redis.zscore(SHARD.version_workers("1"), "anna")
        assert after > before
