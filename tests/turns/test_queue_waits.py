"""For how long turns have waited for a worker, as the queue says."""

from collections.abc import Sequence
from contextlib import nullcontext

import pytest
from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.health.redis import read_system_status
from orchestrator.redis import keys
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.testing.example_turns import OPENING, a_turn
from orchestrator.turns.redis.queue_scripts import JOB_ID_PREFIX
from orchestrator.turns.redis.queue_waits import read_waiting_calls, read_waits
from orchestrator.turns.redis.store import RedisTurnStore

ONE = (keys.SINGLE_SHARD,)


async def queued(client: Redis, lane: str, seconds_ago: float, job: str = f"{JOB_ID_PREFIX}CA9") -> None:
    await client.zadd(lane, {job: int((clock.now() - seconds_ago) * 1000)})
    await client.expire(lane, 600)


async def waits(client: Redis, shards: Sequence[ShardKeys] = ONE) -> dict[str, int]:
    """Return the waits in tens of seconds: the machine may be slow."""
    found = await read_waits(StoreConnection(client, nullcontext), shards)
    return {tenant: int(seconds / 10) for tenant, seconds in found.items()}


@pytest.mark.parametrize("shards", [ONE, keys.SHARDS], ids=["one", "sixteen"])
async def test_a_turn_that_waits_is_seen_and_one_that_was_claimed_is_not(
    redis_client: Redis, shards: tuple[ShardKeys, ...]
) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60, shards=shards)
    assert await waits(redis_client, shards) == {}
    await store.submit(a_turn("t1"), opening=OPENING)
    assert await waits(redis_client, shards) == {"": 0}
    shard = keys.shard_of(shards, "CA1")
    await store.job_claims.claim(shard, holder="anna", most=1, look_at=10, in_progress_ms=1000)
    assert await waits(redis_client, shards) == {}


async def test_the_oldest_of_each_tenant_counts_and_jobs_of_arq_do_not(redis_client: Redis) -> None:
    queue = keys.QUEUE
    await queued(redis_client, queue, 500, "cron:of arq")
    await queued(redis_client, queue, 55)
    await queued(redis_client, queue, 25, f"{JOB_ID_PREFIX}CA8")
    await queued(redis_client, f"{queue}:tenant:north%20side", 105)
    await redis_client.zadd(f"{queue}:tenants", {"": 1, "north%20side": 2, "south": 3})
    await redis_client.expire(f"{queue}:tenants", 600)
    assert await waits(redis_client) == {"": 5, "north side": 10}


async def test_calls_alone_are_queued_and_not_what_a_lost_worker_ran_beside_them(redis_client: Redis) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60)
    await store.submit(a_turn("t1"), opening=OPENING)
    await queued(redis_client, keys.QUEUE, 5, "cron:clean_up")
    await queued(redis_client, f"{keys.QUEUE}:tenant:north", 5)
    await redis_client.zadd(f"{keys.QUEUE}:tenants", {"north": 2})
    await redis_client.expire(f"{keys.QUEUE}:tenants", 600)
    assert (await read_system_status(redis_client)).queue_depth == 2
    await store.job_claims.claim(keys.SINGLE_SHARD, holder="anna", most=9, look_at=10, in_progress_ms=60_000)
    assert await redis_client.zrange(keys.QUEUE, 0, -1) == [b"cron:clean_up"]  # until it is done, or long after
    assert (await read_system_status(redis_client)).queue_depth == 0


async def test_a_version_counts_while_a_worker_of_it_lives(redis_client: Redis) -> None:
    lane = keys.SINGLE_SHARD.version_queue("v2")
    await queued(redis_client, lane, 75)
    await redis_client.zadd(keys.SINGLE_SHARD.versions, {"v2": 1})
    await redis_client.expire(keys.SINGLE_SHARD.versions, 600)
    assert await waits(redis_client) == {}
    await redis_client.zadd(keys.SINGLE_SHARD.version_workers("v2"), {"w1": int((clock.now() + 600) * 1000)})
    await redis_client.expire(keys.SINGLE_SHARD.version_workers("v2"), 600)
    assert await waits(redis_client) == {"": 7}


async def test_shards_that_all_fail_are_told(redis_client: Redis) -> None:
    closed = Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    for shards in (ONE, keys.SHARDS):
        with pytest.raises(StoreUnavailable):
            await waits(closed, shards)
    await closed.aclose()


@pytest.mark.parametrize("shard", [ONE[0], keys.SHARDS[3]], ids=["one", "of_sixteen"])
async def test_calls_that_have_waited_long_are_named_whatever_their_lane(redis_client: Redis, shard: ShardKeys) -> None:
    await queued(redis_client, shard.queue, 30, f"{JOB_ID_PREFIX}long")
    await queued(redis_client, shard.queue, 0, f"{JOB_ID_PREFIX}short")
    await queued(redis_client, shard.queue, 30, "cron:of arq")
    await queued(redis_client, shard.version_queue("gone"), 50, f"{JOB_ID_PREFIX}pinned")
    await queued(redis_client, shard.versions, 0, "gone")
    await queued(redis_client, shard.due, 70, "overlooked")
    await redis_client.zadd(shard.due, {"endless": "-inf", "never": "+inf"})
    found = await read_waiting_calls(StoreConnection(redis_client, nullcontext), [shard])
    assert {call_sid: int(seconds / 10) for call_sid, seconds in found.items()} == {
        "long": 3, "pinned": 5, "overlooked": 7,
    }  # fmt: skip
