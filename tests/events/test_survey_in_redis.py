"""Surveying outboxes in Redis: what is corrected, and what somebody has damaged. The rest is the contract's."""

from contextlib import nullcontext

import pytest

from orchestrator.events.outbox import StoppedSink
from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.events.survey import survey_outbox
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_events import an_event, announcement, delivery, failed, head_of, settle_all
from orchestrator.testing.survey_contract import surveyed


class OfRedis:
    @pytest.fixture
    def states(self, redis):
        return RedisStateManager(redis, 100)

    @pytest.fixture
    async def state(self, states):
        return await states.create_state("CA1", channel="relay")

    @pytest.fixture
    def outbox(self, redis):
        return RedisOutbox(StoreConnection(redis, nullcontext), shards_of(redis), sinks=("file", "hook"))

    async def announce(self, outbox, announcement):
        await outbox.accept(announcement)

    async def test_a_look_that_is_later_than_needed_is_corrected(self, outbox, state, redis):
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        agenda = keys.shard_of(shards_of(redis), "CA1").agenda
        later = (await redis.zscore(agenda, "CA1")) + 3_600_000
        await redis.zadd(agenda, {"CA1": later})
        assert await outbox.due() == []
        await surveyed(outbox)
        assert await outbox.due() == ["CA1"]

    async def test_a_look_that_is_early_enough_stays(self, outbox, state, redis):
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        claimed = await delivery(outbox)
        await settle_all(outbox, claimed, failed(600))
        await outbox.release(claimed.lease)
        agenda = keys.shard_of(shards_of(redis), "CA1").agenda
        before = await redis.zscore(agenda, "CA1")
        await redis.zadd(agenda, {"CA1": before - 1000})
        await surveyed(outbox)
        assert await redis.zscore(agenda, "CA1") == before - 1000

    async def test_a_survey_keeps_a_stopped_sink_from_expiring(self, outbox, redis):
        await outbox.stop_sink(StoppedSink("hook", "here", "410.", 1.0))
        assert await redis.expire(keys.STOPPED_SINKS, 60)
        await survey_outbox(outbox, at=0.0, max_bytes=1)
        assert await redis.ttl(keys.STOPPED_SINKS) > 29 * 86_400

    async def test_an_outbox_that_somebody_has_damaged_stops_no_survey(self, outbox, states, redis):
        for call_sid in ("CA1", "CA2", "CA3"):
            state = await states.create_state(call_sid)
            await self.announce(outbox, announcement(head_of(state), an_event("a")))
        await redis.delete(keys.outbox("CA1"))
        await redis.set(keys.outbox("CA1"), "rubbish", ex=60)
        await redis.hset(keys.outbox("CA2"), mapping={"e:1": "rubbish", "last": "many", "d:1:file": "[]", "bytes": "x"})
        assert (await surveyed(outbox))["CA3"].events == 1


class TestOneServer(OfRedis):
    @pytest.fixture
    def redis(self, redis_client):
        return redis_client


class TestCluster(OfRedis):
    @pytest.fixture
    def redis(self, cluster_client):
        return cluster_client
