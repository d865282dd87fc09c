"""What the search for due calls sees of Redis, and of its silence."""

import math

from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.turns.redis.due_watch import NEVER_MS, DueWatch
from orchestrator.turns.redis.store import RedisTurnStore

SHARD = keys.SINGLE_SHARD


class Watched:
    """A watch whose time the test lets pass, and what it has been told of schedules."""

    def __init__(self, redis: Redis) -> None:
        self.redis, self.now, self.scheduled = redis, 1000.0, 0
        connection = RedisTurnStore(redis, ttl_seconds=100).connection
        self.watch = DueWatch(connection, self._on_scheduled, lambda: self.now)

    def _on_scheduled(self, _: keys.ShardKeys) -> None:
        self.scheduled += 1

    async def put(self, key: str) -> None:
        await self.redis.zadd(key, {"CA1": 5000})
        await self.redis.expire(key, 60)


async def test_one_command_tells_what_is_due_what_is_queued_and_what_is_scheduled(redis_client: Redis) -> None:
    watched = Watched(redis_client)
    before = (await redis_client.info("commandstats")).get("cmdstat_exists", {"calls": 0})["calls"]
    assert await watched.watch.silent_ms(SHARD) is None
    stats = await redis_client.info("commandstats")
    assert stats["cmdstat_exists"]["calls"] == before + 1
    assert (watched.watch.first, watched.scheduled) == (None, 0)
    assert watched.watch.seen_empty_at(SHARD.queue) == watched.now
    for number, key in enumerate((SHARD.queue, SHARD.schedules, SHARD.due)):
        await watched.put(key)
        due = await watched.watch.silent_ms(SHARD)
        assert (due is not None) == (key == SHARD.due)
        assert watched.watch.seen_empty_at(SHARD.queue) == -math.inf
        assert watched.scheduled == number
    assert watched.watch.first == 5.0
    await redis_client.delete(SHARD.due, SHARD.queue)
    assert await watched.watch.silent_ms(SHARD) is None
    assert watched.watch.first is None


async def test_an_answer_to_any_command_shows_that_redis_is_there(redis_client: Redis) -> None:
    watched = Watched(redis_client)
    await watched.put(SHARD.due)
    assert await watched.watch.silent_ms(SHARD) == NEVER_MS, "nothing was known before"
    for _ in range(3):
        watched.now += 0.6
        watched.watch.answered(SHARD)
    assert watched.watch.seconds_since_answer() == 0
    watched.now += 0.5
    assert await watched.watch.silent_ms(SHARD) == 600


async def test_an_outage_counts_though_another_command_is_answered_after_it_first(redis_client: Redis) -> None:
    watched = Watched(redis_client)
    await watched.put(SHARD.due)
    await watched.watch.silent_ms(SHARD)
    watched.now += 5.0
    watched.watch.answered(SHARD)
    watched.now += 0.1
    assert await watched.watch.silent_ms(SHARD) == 5000
    watched.now += 0.5
    assert await watched.watch.silent_ms(SHARD) == 500, "it is told once"


async def test_redis_answers_as_long_ago_as_the_shard_that_is_silent_the_longest(redis_client: Redis) -> None:
    watched = Watched(redis_client)
    assert watched.watch.seconds_since_answer() == math.inf
    watched.watch.answered(keys.SHARDS[0])
    watched.now += 3.0
    watched.watch.answered(keys.SHARDS[1])
    assert watched.watch.seconds_since_answer() == 3.0
