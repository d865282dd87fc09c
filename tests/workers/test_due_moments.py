"""A worker sleeps until something is due, and looks at it in time."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from support.passing_time import moving_clock
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.redis import keys
from orchestrator.settings import Settings
from orchestrator.turns.redis.queue_scripts import GRACE_MS
from orchestrator.turns.redis.store import RedisTurnStore
from workers import producer_pool, rescue
from workers.cron import cron_jobs
from workers.fetcher import SEARCHED_SECONDS, QueueFetcher, QueueWatch, seconds_to_cron
from workers.functions import run_turns
from workers.wake_up import WAKE_SECONDS, wake_worker
from workers.worker import TurnWorker

SHARD = replace(keys.SINGLE_SHARD, queue="arq:queue")


@pytest.fixture
async def worker(redis_url: str) -> AsyncIterator[TurnWorker]:
    worker = TurnWorker(
        functions=[run_turns], cron_jobs=cron_jobs(Settings()), redis_pool=producer_pool(Settings(redis_url=redis_url)),
        queue_name=SHARD.queue, handle_signals=False, max_jobs=8, poll_delay=10.0,
    )  # fmt: skip
    yield worker
    await worker.pool.aclose()


def fetcher_of(worker: TurnWorker) -> QueueFetcher:
    fetcher = worker.make_fetcher()
    assert isinstance(fetcher, QueueFetcher)
    return fetcher


async def claims(redis: Redis) -> int:
    """How many scripts the server has run."""
    stats = await redis.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval"))


async def is_blocked(redis: Redis) -> bool:
    """Whether a client waits in a BLPOP."""
    return (await redis.info("clients"))["blocked_clients"] == 1


async def test_an_idle_worker_claims_once_and_again_only_when_it_is_woken(worker, redis_client) -> None:
    fetcher = fetcher_of(worker)
    await fetcher.fetch(8)
    before = await claims(redis_client)
    for _ in range(5):
        await fetcher.fetch(8)
    assert await claims(redis_client) == before
    await worker.pool.enqueue_job("run_turns", "CA1", _defer_by=1000)  # and that wakes a worker
    await fetcher.wait()
    await fetcher.fetch(8)
    assert await claims(redis_client) == before + 1


async def test_a_job_that_nobody_woke_for_is_found_when_it_is_due(worker, redis_client) -> None:
    watch = QueueWatch(worker, SHARD)
    watch.claimed()
    await redis_client.zadd(SHARD.queue, {"later": (clock.now() + 100) * 1000})
    await redis_client.expire(SHARD.queue, 60)
    assert not await watch.is_due()
    assert 90 < watch.seconds_left() <= 100
    await redis_client.zadd(SHARD.queue, {"now": clock.now() * 1000})
    assert await watch.is_due()
    assert watch.seconds_left() > 1000, "whatever stays due is not waited for: perhaps another worker runs it"


async def test_a_job_that_falls_due_after_the_look_is_waited_for_no_longer(worker, redis_client) -> None:
    watch = QueueWatch(worker, SHARD)
    watch.claimed()
    await redis_client.zadd(SHARD.queue, {"soon": (clock.now() + 100) * 1000})
    await redis_client.expire(SHARD.queue, 300)
    assert not await watch.is_due()
    with moving_clock() as move:
        move(101)
        assert watch.seconds_left() == 0


async def test_no_more_is_claimed_than_pushed_grants_have_left_room_for(worker, redis_client) -> None:
    fetcher = fetcher_of(worker)
    await fetcher.fetch(8)
    await worker.pool.enqueue_job("run_turns", "CA1")
    await fetcher.wait()
    worker.job_counter = worker.max_jobs  # as grants do that come while `fetch` looks
    await fetcher.fetch(8)
    assert not worker.tasks


async def test_a_wake_up_that_comes_to_a_draining_worker_is_for_another_one(worker, redis_client) -> None:
    fetcher = fetcher_of(worker)
    await fetcher.fetch(8)
    waiting = asyncio.create_task(fetcher.wait())
    await wait_until(lambda: is_blocked(redis_client), "the worker waits")
    worker.allow_pick_jobs = False
    await wake_worker(redis_client, SHARD.wake)
    await waiting
    assert await redis_client.llen(SHARD.wake) == 1
    assert 0 < await redis_client.ttl(SHARD.wake) <= WAKE_SECONDS


async def test_a_worker_whose_slots_were_full_claims_at_once(worker, redis_client) -> None:
    fetcher = fetcher_of(worker)
    await fetcher.fetch(8)
    before = await claims(redis_client)
    worker.job_counter = worker.max_jobs
    worker.poll_delay_s = 0.01
    await fetcher.wait()
    worker.job_counter = 0
    await fetcher.fetch(8)
    assert await claims(redis_client) == before + 1


async def test_a_queue_of_the_wrong_type_is_set_aside(worker, redis_client) -> None:
    watch = QueueWatch(worker, SHARD)
    watch.claimed()
    await redis_client.set(SHARD.queue, "somebody else's", ex=60)
    assert not await watch.is_due()
    assert not await redis_client.exists(SHARD.queue)


async def test_a_worker_waits_for_its_next_cron_job_at_most(worker) -> None:
    for job in worker.cron_jobs:
        job.calculate_next(clock.utc_now())
    assert 0 < seconds_to_cron(worker) <= 30
    worker.cron_jobs[0].next_run = clock.utc_now()
    assert seconds_to_cron(worker) == 0


@pytest.mark.parametrize(
    ("due_in", "least", "most"), [(None, 0.6, 0.63), (-100, 0.2, 0.25), (0.4, 0.4, 0.63), (3600, 0.6, 0.63)]
)
def test_the_rescue_looks_when_the_first_call_is_due(due_in, least, most) -> None:
    began = clock.now()
    due = None if due_in is None else began + due_in
    pauses = [rescue.search_pause(due) for _ in range(200)]
    passed = clock.now() - began  # the machine may have done something else meanwhile
    assert min(pauses) >= least - 0.01 - passed
    assert max(pauses) <= most


@pytest.mark.parametrize(
    ("due_in", "answered_ago", "put_off"), [(None, 0.1, 0.5), (None, 0.6, 0.0), (None, 100.0, 0.0), (0.2, 0.1, 0.0)]
)
def test_the_rescue_does_not_ask_what_another_answer_has_just_told(due_in, answered_ago, put_off) -> None:
    due = None if due_in is None else clock.now() + due_in
    assert rescue.second_pause(due, 0.6, answered_ago) == pytest.approx(put_off)


def test_redis_shows_often_enough_that_it_answers_and_calls_are_looked_for_in_time() -> None:
    longest = max(rescue.search_pause(None) for _ in range(200))
    assert longest < 0.7 * rescue.RENEWAL_GRACE_MS / 1000, "silence for as long is an outage"
    lease = inspect.signature(RedisTurnStore).parameters["lease_seconds"].default
    least_due = min(GRACE_MS / 1000, lease / 2)  # a pushed lease is half as long
    assert 2 * longest <= least_due + rescue.INTERVAL_SECONDS + 0.02, "a call is found so soon after it is due"


async def test_a_queue_that_a_search_has_just_found_empty_is_not_read_again(worker, redis_client) -> None:
    watch = QueueWatch(worker, SHARD)
    watch.claimed()
    await redis_client.zadd(SHARD.queue, {"now": clock.now() * 1000})
    await redis_client.expire(SHARD.queue, 60)
    assert not await watch.is_due(time.monotonic()), "it believes what was seen"
    assert await watch.is_due(time.monotonic() - SEARCHED_SECONDS - 1), "which was too long ago"
    assert await watch.is_due(), "nothing was seen"


async def test_a_job_that_was_read_is_waited_for_though_a_search_before_it_saw_none(worker, redis_client) -> None:
    watch = QueueWatch(worker, SHARD)
    watch.claimed()
    searched_at = time.monotonic()
    await redis_client.zadd(SHARD.queue, {"later": (clock.now() + 100) * 1000})
    await redis_client.expire(SHARD.queue, 60)
    assert not await watch.is_due()
    assert not await watch.is_due(searched_at)
    assert watch.seconds_left() < 1000
    assert not await watch.is_due(time.monotonic())
    assert watch.seconds_left() > 1000, "it was taken away since"
