"""Workers' counts in Redis: each is added once, and the sum outlives the worker."""

import json
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from support.proxy import FaultProxy, script
from support.waiting import wait_until

from orchestrator.errors import StoreUnavailable
from orchestrator.fleet_metrics.fleet import Fleet, RisingCounts
from orchestrator.fleet_metrics.redis.reading import read_fleet
from orchestrator.fleet_metrics.redis.report import LIFE_MS, CountsReport
from orchestrator.fleet_metrics.redis.scripts import add_counts
from orchestrator.process_metrics import catalog
from orchestrator.process_metrics.families import CountKey
from orchestrator.redis import keys

RESCUED = CountKey("voiceagent_calls_rescued_total", (), "")


def add(holder: str, number: int, amount: float, most: int = 100):
    amounts = {json.dumps(RESCUED): amount}
    return add_counts(holder=holder, number=number, amounts=amounts, life_ms=9999, batch_life_ms=9999, most=most)


async def run(redis: Redis, call) -> bool:
    return call.decode(await redis.execute_command(*call.by_text()))


async def counted(redis: Redis, rescued: float) -> bool:
    return (await read_fleet(redis)).counts == {RESCUED: rescued}


async def test_batches_of_all_workers_add_up_and_each_counts_once(redis_client: Redis) -> None:
    assert await run(redis_client, add("w1", 1, 2))
    assert await run(redis_client, add("w2", 1, 3.5))
    assert not await run(redis_client, add("w1", 1, 2)), "its answer was lost"
    assert await run(redis_client, add("w1", 2, 1))
    assert (await read_fleet(redis_client)).counts == {RESCUED: 6.5}


async def test_a_worker_reports_what_it_has_counted_since_it_began(redis_client: Redis) -> None:
    catalog.CALLS_RESCUED.inc(by=7)
    report = CountsReport(redis_client, "w1")
    await report.send(everything=True)
    catalog.CALLS_RESCUED.inc()
    catalog.AGENT_RUN_SECONDS.observe(0.3, "echo", "replied")
    await report.send(everything=False)
    await report.send(everything=False)
    counts = (await read_fleet(redis_client)).counts
    labels = ("echo", "replied")
    assert counts == {
        RESCUED: 1,
        CountKey("voiceagent_agent_run_seconds", labels, "0.5"): 1,
        CountKey("voiceagent_agent_run_seconds", labels, "sum"): pytest.approx(0.3),
    }
    assert 0 < await redis_client.pttl(keys.FLEET_COUNTS) <= LIFE_MS


async def test_in_a_cluster_the_counts_are_where_the_script_finds_them(cluster_client: Redis) -> None:
    report = CountsReport(cluster_client, "w1")
    catalog.CALLS_RESCUED.inc(by=4)
    await report.send(everything=False)
    assert await counted(cluster_client, 4)
    await cluster_client.delete(keys.FLEET_COUNTS)


async def test_an_idle_worker_sends_its_lag_when_everything_is_due_and_not_before(redis_client: Redis) -> None:
    report = CountsReport(redis_client, "w1")
    catalog.EVENT_LOOP_LAG.observe(0.002)
    await report.send(everything=False)
    assert not await redis_client.exists(keys.FLEET_COUNTS)
    catalog.EVENT_LOOP_LAG.observe(0.002)
    await report.send(everything=True)
    assert (await read_fleet(redis_client)).counts[CountKey("voiceagent_event_loop_lag_seconds", (), "0.0025")] == 2


@pytest.fixture
async def proxy(redis_server) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(redis_server.port) as proxy:
        yield proxy


async def test_a_batch_whose_answer_was_lost_is_sent_again_and_counts_once(redis_client: Redis, proxy) -> None:
    async with Redis.from_url(proxy.url, socket_timeout=30, retry=Retry(NoBackoff(), 0)) as redis:
        report = CountsReport(redis, "w1")
        catalog.CALLS_RESCUED.inc()
        await report.send(everything=True)
        catalog.CALLS_RESCUED.inc(by=2)
        proxy.cut_after(script("add_counts"))
        with pytest.raises(StoreUnavailable):
            await report.send(everything=False)
        assert proxy.trapped
        await wait_until(lambda: counted(redis_client, 3), "the script has run all the same")
        catalog.CALLS_RESCUED.inc(by=3)
        await report.send(everything=False)
    assert await counted(redis_client, 6)


async def test_without_an_answer_nothing_that_was_counted_is_forgotten(start_redis) -> None:
    server = start_redis()
    async with Redis.from_url(server.url, socket_timeout=30, retry=Retry(NoBackoff(), 0)) as redis:
        report = CountsReport(redis, "w1")
        server.kill()
        for _ in range(2):
            catalog.CALLS_RESCUED.inc()
            with pytest.raises(StoreUnavailable):
                await report.send(everything=False)
        server.restart()
        await report.send(everything=False)
        assert (await read_fleet(redis)).counts == {RESCUED: 2}


async def test_counts_begin_anew_when_there_are_too_many(redis_client: Redis) -> None:
    await run(redis_client, add("w1", 1, 5, most=1))
    before = await read_fleet(redis_client)
    await run(redis_client, add("w1", 2, 1, most=1))
    after = await read_fleet(redis_client)
    assert before.counts == {RESCUED: 5}
    assert after.counts == {RESCUED: 1}


async def test_what_others_have_written_into_the_counts_harms_no_other(redis_client: Redis) -> None:
    await run(redis_client, add("w1", 1, 5))
    fillers = json.dumps(["voiceagent_fillers_total", ["x"], ""])
    junk = {
        "no json": "1",
        '["a"]': "1",
        '["b",[],""]': "many",
        '["c",[],""]': "nan",
        "\\xff": "1",
        fillers: "2",
    }
    await redis_client.hset(keys.FLEET_COUNTS, mapping=junk)
    await run(redis_client, add("w1", 2, 1))
    counts = (await read_fleet(redis_client)).counts
    assert counts == {RESCUED: 6, CountKey("voiceagent_fillers_total", ("x",), ""): 2}
    await redis_client.delete(keys.FLEET_COUNTS)
    await redis_client.set(keys.FLEET_COUNTS, "a string", ex=60)
    assert (await read_fleet(redis_client)).counts == {}


def test_counts_do_not_fall_until_they_begin_anew() -> None:
    rising, other = RisingCounts(), CountKey("voiceagent_pushed_grants_total", (), "")
    assert rising.of(Fleet({RESCUED: 9, other: 1}, "1", [])) == {RESCUED: 9, other: 1}
    assert rising.of(Fleet({RESCUED: 7, other: 2}, "1", [])) == {RESCUED: 9, other: 2}
    assert rising.of(Fleet({}, "1", [])) == {RESCUED: 9, other: 2}
    assert rising.of(Fleet({RESCUED: 1}, "2", [])) == {RESCUED: 1}


async def test_more_counts_than_a_script_can_pass_to_one_command_are_added(redis_client: Redis) -> None:
    amounts = {f"count {number}": float(number) for number in range(9_001)}
    for number in (1, 2):
        batch = add_counts(
            holder="w1", number=number, amounts=amounts, life_ms=60_000, batch_life_ms=60_000, most=20_000
        )
        assert await run(redis_client, batch)
    stored = await redis_client.hgetall(keys.FLEET_COUNTS)
    stored.pop(b"began")
    assert {name.decode(): float(count) for name, count in stored.items()} == {
        name: 2 * amount for name, amount in amounts.items()
    }
