"""Schedules in Redis: on one server, with the indexes in other slots, and in a cluster."""

import pytest
from support.cluster import ClusterTopology
from support.encrypted_redis import KEY, WithKeys, unencrypted

from orchestrator import clock
from orchestrator.errors import StoreUnconfirmed
from orchestrator.events.redis.listing import undelivered_in
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.redis.replicas import ReplicaWait
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.settings import Settings
from orchestrator.testing.example_turns import OPENING, a_turn, commit
from orchestrator.testing.example_turns import claimed as claimed_turn
from orchestrator.testing.schedule_contract import ScheduleContract, a_message, a_timer, written
from orchestrator.turns.redis.store import RedisTurnStore

TTL = 3600


class RedisScheduleContract(ScheduleContract):
    shards = None

    @pytest.fixture
    def redis(self, redis_client):
        return redis_client

    @pytest.fixture
    def schedule(self, redis):
        self._redis = redis
        return RedisTurnStore(redis, ttl_seconds=TTL, shards=self.shards, sinks=("file",)).schedule

    async def expire(self, schedule, lease):
        key, field = keys.schedule(lease.call_sid), f"l:{lease.item_id}"
        holder, _, rest = (await self._redis.hget(key, field)).decode().split(" ", 2)
        await self._redis.hset(key, field, f"{holder} 1 {rest}")

    async def told(self, schedule, call_sid):
        found = await self._redis.hgetall(keys.outbox(call_sid))
        return [left.entry.event.type for left in undelivered_in(call_sid, found, schedule.cipher)]


class TestRedisSchedule(RedisScheduleContract):
    pass


class TestRedisScheduleWithKeys(WithKeys, RedisScheduleContract):
    pass


class TestShardedSchedule(RedisScheduleContract):
    """As in a cluster: the indexes in other slots than the calls."""

    shards = keys.SHARDS


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
class TestScheduleInACluster(RedisScheduleContract):
    @pytest.fixture
    async def redis(self, replicated_cluster: ClusterTopology, key: str | None):
        async with connect(Settings(redis_url=replicated_cluster.url, state_encryption_keys=key)) as client:
            yield client
            assert key is None or await unencrypted(client) == []


@pytest.mark.parametrize("seconds", [0.0, 3600.0])
async def test_a_survey_finds_what_the_index_of_a_cluster_has_lost(redis_client, seconds: float) -> None:
    schedule = RedisTurnStore(redis_client, ttl_seconds=TTL, shards=keys.SHARDS).schedule
    await written(schedule, a_timer(in_seconds=seconds))
    index = keys.shard_of(keys.SHARDS, "CA1").schedules
    await redis_client.delete(index)
    await schedule.survey(["CA1", "CA2"])
    assert await redis_client.zrange(index, 0, -1) == [b"CA1"]
    assert await redis_client.zscore(index, "CA1") / 1000 == pytest.approx(clock.now() + seconds, abs=60)
    assert len(await schedule.claim("CA1", "anna", {"timer": 1})) == (seconds == 0.0), "the survey has claimed nothing"


async def test_a_later_life_of_a_sid_has_nothing_of_the_earlier_one_but_its_messages(redis_client) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=TTL)
    await store.submit(a_turn("t1"), opening=OPENING)
    await commit(store, await claimed_turn(store), "hello")
    await written(store.schedule, a_timer("timer-1"), a_message("message-1"))
    await redis_client.delete(keys.state("CA1"))  # as if it had expired
    await store.submit(a_turn("t1"), opening=OPENING)
    (run,) = await store.schedule.claim("CA1", "anna", {"timer": 1, "message": 1})
    assert run.item.item_id == "message-1"


async def test_an_item_that_cannot_be_read_is_left_to_others(redis_client, caplog) -> None:
    schedule = RedisTurnStore(redis_client, ttl_seconds=TTL).schedule
    await written(schedule, a_timer("timer-1"), a_timer("timer-2"))
    await redis_client.hset(keys.schedule("CA1"), "i:timer-1", b'1 timer\n{"kind": "of a newer version"}')
    (run,) = await schedule.claim("CA1", "anna", {"timer": 5})
    assert run.item.item_id == "timer-2"
    assert await schedule.claim("CA1", "ben", {"timer": 5}) == []
    assert await redis_client.hget(keys.schedule("CA1"), "i:timer-1") is not None
    assert "schedule.unreadable" in [record.__dict__.get("action") for record in caplog.records]


async def test_what_is_no_item_is_taken_off(redis_client) -> None:
    schedule = RedisTurnStore(redis_client, ttl_seconds=TTL).schedule
    await written(schedule, a_timer("timer-1"))
    await redis_client.hset(
        keys.schedule("CA1"),
        mapping={"i:broken": "\xff", "i:late": f"{10**30} timer\n", "l:timer-1": "nonsense", "p:timer-1": "nan"},
    )
    (run,) = await schedule.claim("CA1", "anna", {"timer": 5})
    assert (run.attempt, run.posting_since) == (1, 0.0)
    assert await redis_client.hmget(keys.schedule("CA1"), ["i:broken", "i:late"]) == [None, None]


async def test_a_schedule_expires_some_time_after_what_is_due_last(redis_client) -> None:
    schedule = RedisTurnStore(redis_client, ttl_seconds=60).schedule
    await written(schedule, a_timer(in_seconds=7200))
    assert 7200 < await redis_client.ttl(keys.schedule("CA1")) < 7200 + 2 * 3600
    await written(schedule, a_message())
    assert await redis_client.ttl(keys.schedule("CA1")) > 7 * 86_400


async def test_a_full_redis_carries_out_what_is_scheduled(start_redis) -> None:
    server = start_redis("--maxmemory-policy", "noeviction")
    async with connect(Settings(_env_file=None, redis_url=server.url)) as redis:
        schedule = RedisTurnStore(redis, ttl_seconds=TTL).schedule
        await written(schedule, a_timer("timer-1", -3), a_timer("timer-2", -2), a_timer("timer-3", -1))
        message = a_message().model_copy(update={"call_sid": "CA2"})
        await written(schedule, message)
        await redis.config_set("maxmemory", 1)
        assert sorted(await schedule.due()) == ["CA1", "CA2"]
        (sent,) = await schedule.claim("CA2", "anna", {"message": 5})
        assert await schedule.settle(sent, name="SM1")
        one, two, three = await schedule.claim("CA1", "anna", {"timer": 5})
        assert await schedule.renew([one.lease, two.lease, three.lease]) == []
        assert await schedule.settle(one)
        assert await schedule.fail(two, clock.now())
        await schedule.release([three])
        for run in await schedule.claim("CA1", "ben", {"timer": 5}):
            assert await schedule.settle(run)
        assert not await redis.exists(keys.schedule("CA1"))
        assert await redis.zscore(keys.SINGLE_SHARD.schedules, "CA1") is None


async def test_in_a_cluster_replicas_confirm_the_look_at_a_message_before_it_is_written(cluster_client):
    store = RedisTurnStore(cluster_client, ttl_seconds=TTL, shards=keys.SHARDS, wait=ReplicaWait(1, 20))
    index = store.schedule.index
    await index.mark_before("CA1", ScheduleChanges((a_timer(),)))
    with pytest.raises(StoreUnconfirmed):
        await index.mark_before("CA1", ScheduleChanges((a_timer(), a_message())))
