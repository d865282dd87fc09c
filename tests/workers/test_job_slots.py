"""How many jobs a worker runs at the same time, and how shards share what is free."""

import asyncio
import logging

import pytest
from support.waiting import wait_until

from orchestrator.settings import Settings
from workers import producer_pool
from workers.functions import run_turns
from workers.job_slots import JobSlots
from workers.sharded_fetcher import SharedRoom
from workers.worker import TurnWorker


@pytest.fixture
async def worker(redis_url: str) -> TurnWorker:
    pool = producer_pool(Settings(redis_url=redis_url))
    return TurnWorker(functions=[run_turns], redis_pool=pool, queue_name=None, handle_signals=False, max_jobs=8)


async def test_a_job_takes_a_slot_until_it_has_ended(worker: TurnWorker) -> None:
    slots, may_end = JobSlots(worker), asyncio.Event()

    async def job() -> None:
        await may_end.wait()

    slots.start("one", job())
    slots.start("two", job())
    assert (slots.free, set(worker.tasks)) == (6, {"one", "two"})
    may_end.set()
    while slots.free < 8:
        await slots.wait_until_freed(10)
    slots.forget_ended()
    assert worker.tasks == {}


async def test_a_job_that_failed_is_logged_and_in_burst_mode_raised(worker: TurnWorker, caplog) -> None:
    slots = JobSlots(worker)

    async def job() -> None:
        raise ValueError("left unfinished")

    slots.start("one", job())
    await wait_until(lambda: slots.free == 8, "the job has ended")
    with caplog.at_level(logging.ERROR, logger="arq.worker"):
        slots.forget_ended()
    assert "Job one was left unfinished" in caplog.text
    worker.burst = True
    slots.start("two", job())
    await wait_until(lambda: slots.free == 8, "the job has ended")
    with pytest.raises(ValueError, match="left unfinished"):
        slots.forget_ended()


async def test_a_worker_that_drains_has_no_free_slots(worker: TurnWorker) -> None:
    slots = JobSlots(worker)
    worker.allow_pick_jobs = False
    assert (slots.are_open, slots.free) == (False, 0)


async def test_shards_that_claim_at_the_same_time_reserve_a_quarter_of_what_is_free(worker: TurnWorker) -> None:
    room = SharedRoom(JobSlots(worker), worker)
    with room.share() as first, room.share() as second:
        assert (first, second, room.free) == (2, 1, 5)
    assert room.free == 8


async def test_a_share_is_at_least_one_job(worker: TurnWorker) -> None:
    worker.max_jobs = 2
    with SharedRoom(JobSlots(worker), worker).share() as share:
        assert share == 1
