"""The history in Redis: each batch counts once, a minute stays small, and ends."""

import json
from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from support.proxy import FaultProxy, script
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.history.amounts import KEPT_SECONDS, MINUTE, MOST_BYTES, MOST_NAMES, Amounts, minute_of
from orchestrator.history.recorder import Recorder
from orchestrator.history.redis.store import SAMPLED_MS, RedisHistory
from orchestrator.history.store import Batch
from orchestrator.process_metrics import catalog
from orchestrator.redis import keys
from orchestrator.redis.store_connection import StoreConnection


def history(redis: Redis) -> RedisHistory:
    return RedisHistory(StoreConnection(redis, nullcontext))


@pytest.fixture
def store(redis_client: Redis) -> RedisHistory:
    return history(redis_client)


@pytest.fixture
def minute() -> int:
    return minute_of(clock.now())


async def amounts(store: RedisHistory, minute: int) -> Amounts:
    return (await store.read([minute])).amounts[0]


async def test_batches_of_all_processes_add_up_and_each_counts_once(store: RedisHistory, minute: int) -> None:
    await store.add("a", Batch(1, minute, {"fillers": 2.0, "max.active": 5.0, "min.workers": 3.0}))
    await store.add("b", Batch(1, minute, {"fillers": 1.0, "max.active": 4.0, "min.workers": 2.0, "errors": 1.0}))
    await store.add("a", Batch(1, minute, {"fillers": 2.0}))
    await store.add("a", Batch(2, minute, {"fillers": 0.5, "max.active": 9.0, "min.workers": 4.0}))
    assert await amounts(store, minute) == {"fillers": 3.5, "max.active": 9, "min.workers": 2, "errors": 1}


async def test_every_key_ends_and_a_minute_after_a_day_and_an_hour(
    redis_client: Redis, store: RedisHistory, minute: int
) -> None:
    await store.add("a", Batch(1, minute - 3600, {"fillers": 2.0}))
    assert await store.may_sample("a")
    ttl = await redis_client.pttl(keys.history_minute(minute - 3600))
    assert 0 < ttl <= KEPT_SECONDS * 1000
    found = [key.decode() async for key in redis_client.scan_iter("*history*")]
    assert sorted(found) == sorted(
        [keys.history_minute(minute - 3600), keys.last_history_batch("a"), keys.HISTORY_CHANGES, keys.HISTORY_SAMPLER]
    )
    assert all([await redis_client.pttl(key) > 0 for key in found])


async def test_a_late_change_is_told_and_one_in_time_is_not(store: RedisHistory, minute: int) -> None:
    await store.add("a", Batch(1, minute, {"fillers": 1.0}))
    before = (await store.read([minute])).changes
    await store.add("a", Batch(2, minute - 10 * MINUTE, {"fillers": 1.0}))
    assert (before, (await store.read([minute])).changes) == (0, 1)


async def test_a_day_is_read_in_its_order(store: RedisHistory, minute: int) -> None:
    day = [minute - number * MINUTE for number in range(24 * 60)]
    for number, at in enumerate((day[0], day[100], day[-1])):
        await store.add("a", Batch(number + 1, at, {"fillers": number + 1.0}))
    found = (await store.read(day)).amounts
    assert len(found) == len(day)
    assert {place: it for place, it in enumerate(found) if it} == {
        0: {"fillers": 1}, 100: {"fillers": 2}, len(day) - 1: {"fillers": 3},
    }  # fmt: skip
    assert (await store.read([])).amounts == []


async def test_a_thousand_agents_make_a_minute_no_longer(redis_client: Redis, store: RedisHistory, minute: int) -> None:
    recorder = Recorder(store)
    for number in range(1000):
        catalog.AGENT_RUN_SECONDS.observe(0.1, f"agent-{number}", "replied")
        catalog.FILLERS.inc(f"channel-{number}")
    await recorder.record(minute)
    assert await amounts(store, minute) == {"fillers": 1000}
    for number in range(10):  # a process that does not keep to what there is
        await store.add("b", Batch(number + 1, minute, {f"turns.{number}-{name}": 1.0 for name in range(1000)}))
    assert len(await amounts(store, minute)) == MOST_NAMES
    assert await redis_client.strlen(keys.history_minute(minute)) < MOST_BYTES


@pytest.mark.parametrize(
    "there", [b"x", b"[1,2]", b'{"a":{"b":[]},"fillers":"x","c":null}', b"3", b"\xff\x00", b'{"a":1e999}',
              b" " * (MOST_BYTES + 1)],
)  # fmt: skip
async def test_what_others_have_written_there_gives_way(
    redis_client: Redis, store: RedisHistory, minute: int, there: bytes
) -> None:
    await redis_client.set(keys.history_minute(minute), there, ex=60)
    await redis_client.set(keys.HISTORY_CHANGES, b"many", ex=60)
    assert await amounts(store, minute) == {}
    await store.add("a", Batch(1, minute, {"fillers": 2.0}))
    assert json.loads(await redis_client.get(keys.history_minute(minute))) == {"fillers": 2}


async def test_keys_of_another_type_are_set_aside(redis_client: Redis, store: RedisHistory, minute: int) -> None:
    names = (keys.history_minute(minute), keys.last_history_batch("a"), keys.HISTORY_CHANGES)
    for name in names:
        await redis_client.rpush(name, "x")
        await redis_client.expire(name, 60)
    await store.add("a", Batch(1, minute - 10 * MINUTE, {"fillers": 1.0}))
    assert await amounts(store, minute) == {}
    assert [await redis_client.type(keys.aside(name)) for name in names] == [b"list"] * len(names)


async def test_one_of_all_processes_samples(store: RedisHistory) -> None:
    assert [await store.may_sample(name) for name in ("a", "b", "a")] == [True, False, False]


@pytest.mark.parametrize("life", [None, 10**6])
async def test_what_others_have_written_stops_the_sampling_for_seconds(
    redis_client: Redis, store: RedisHistory, life: int | None
) -> None:
    await redis_client.rpush(keys.HISTORY_SAMPLER, "x")
    if life is not None:
        await redis_client.pexpire(keys.HISTORY_SAMPLER, life)
    assert not await store.may_sample("a")
    assert 0 < await redis_client.pttl(keys.HISTORY_SAMPLER) <= SAMPLED_MS


async def test_in_a_cluster_all_of_it_is_where_the_script_finds_it(cluster_client: Redis, minute: int) -> None:
    store = history(cluster_client)
    await store.add("a", Batch(1, minute, {"fillers": 1.0}))
    await store.add("a", Batch(2, minute - 3600, {"fillers": 2.0}))
    assert await store.may_sample("a")
    found = await store.read([minute - 3600, minute])
    assert [dict(it) for it in found.amounts] == [{"fillers": 2}, {"fillers": 1}]
    for name in (keys.history_minute(minute), keys.history_minute(minute - 3600), keys.HISTORY_SAMPLER):
        await cluster_client.delete(name)


@pytest.fixture
async def proxy(redis_server) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(redis_server.port) as proxy:
        yield proxy


async def test_a_batch_whose_answer_was_lost_counts_once(redis_client: Redis, proxy, minute: int) -> None:
    async with Redis.from_url(proxy.url, socket_timeout=30, retry=Retry(NoBackoff(), 0)) as redis:
        recorder = Recorder(history(redis))
        catalog.CALLS_RESCUED.inc()
        await recorder.record(minute)
        catalog.CALLS_RESCUED.inc(by=2)
        proxy.cut_after(script("add_history"))
        with pytest.raises(StoreUnavailable):
            await recorder.record(minute)
        assert proxy.trapped

        async def is_added() -> bool:
            return await amounts(history(redis_client), minute) == {"rescues": 3}

        await wait_until(is_added, "the script has run all the same")
        catalog.CALLS_RESCUED.inc(by=3)
        await recorder.record(minute)
    assert await amounts(history(redis_client), minute) == {"rescues": 6}


async def test_what_was_counted_during_an_outage_goes_to_its_own_minute(start_redis, minute: int) -> None:
    server = start_redis()
    async with Redis.from_url(server.url, socket_timeout=30, retry=Retry(NoBackoff(), 0)) as redis:
        recorder = Recorder(history(redis))
        server.kill()
        for at in (minute - MINUTE, minute):
            catalog.CALLS_RESCUED.inc()
            with pytest.raises(StoreUnavailable):
                await recorder.record(at)
        server.restart()
        await recorder.record(minute)
        assert await amounts(history(redis), minute - MINUTE) == {"rescues": 1}
        assert await amounts(history(redis), minute) == {"rescues": 1}
