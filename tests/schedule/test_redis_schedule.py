"""Schedules in Redis: on one server, with the indexes in other slots, and in a cluster."""

import pytest
from support.cluster import ClusterTopology

from orchestrator.events.redis.listing import undelivered_in
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.settings import Settings
from orchestrator.testing.schedule_contract import ScheduleContract
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
        return [left.entry.event.type for left in undelivered_in(call_sid, found)]


class TestRedisSchedule(RedisScheduleContract):
    pass


class TestShardedSchedule(RedisScheduleContract):
    """As in a cluster: the indexes in other slots than the calls."""

    shards = keys.SHARDS


class TestScheduleInACluster(RedisScheduleContract):
    @pytest.fixture
    async def redis(self, replicated_cluster: ClusterTopology):
        async with connect(Settings(redis_url=replicated_cluster.url)) as client:
            yield client
