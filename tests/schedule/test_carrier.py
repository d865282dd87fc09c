"""What becomes of scheduled items while a process carries them out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from support.waiting import wait_until

from orchestrator.redis import keys
from orchestrator.schedule.carrier import CANCELLED, DRAINED, LOST, Carrier
from orchestrator.schedule.redis.schedule import RedisSchedule
from orchestrator.schedule.schedule import ScheduledRun
from orchestrator.schedule.watch import ScheduleWatch
from orchestrator.tasks import cancel_and_wait
from orchestrator.testing.schedule_contract import a_timer, written
from orchestrator.turns.redis.store import RedisTurnStore

SID = "CA1"


class Holding:
    """A handler that has room for `room` items and holds each until it is let go."""

    def __init__(self, schedule: RedisSchedule, room: int = 5) -> None:
        self._schedule = schedule
        self.room = room
        self.begun: list[str] = []
        self.stopped: list[Any] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def carry_out(self, run: ScheduledRun) -> None:
        self.begun.append(run.item.item_id)
        try:
            await self.go.wait()
        except asyncio.CancelledError as error:
            self.stopped.append(error.args[0])
            raise
        if self.error is not None:
            raise self.error
        await self._schedule.settle(run)


@pytest.fixture
def schedule(redis_client: Redis) -> RedisSchedule:
    return RedisTurnStore(redis_client, ttl_seconds=3600).schedule


@pytest.fixture
def handler(schedule: RedisSchedule) -> Holding:
    return Holding(schedule)


@pytest.fixture
async def carrier(schedule: RedisSchedule, handler: Holding) -> AsyncIterator[Carrier]:
    carrier = Carrier(schedule, {"timer": handler}, "anna")
    yield carrier
    await carrier.close(0.0)


async def has_begun(handler: Holding, carrier: Carrier, count: int = 1) -> None:
    await carrier.look(SID)
    await wait_until(lambda: len(handler.begun) == count, "it has begun")


async def is_settled(redis: Redis) -> bool:
    return not await redis.exists(keys.schedule(SID))


async def lease_of(redis: Redis) -> bytes | None:
    found: bytes | None = await redis.hget(keys.schedule(SID), "l:timer-1")  # type: ignore[misc]
    return found


async def test_the_lease_is_renewed_until_it_is_done(redis_client, schedule, handler, carrier) -> None:
    await written(schedule, a_timer())
    await has_begun(handler, carrier)
    before = await lease_of(redis_client)

    async def is_renewed() -> bool:
        return await lease_of(redis_client) != before

    await wait_until(is_renewed, "the lease is renewed")
    handler.go.set()
    await wait_until(lambda: is_settled(redis_client), "it is settled")
    assert handler.stopped == []


async def test_what_is_cancelled_is_stopped(schedule, handler, carrier) -> None:
    await written(schedule, a_timer())
    await has_begun(handler, carrier)
    await written(schedule, removed=("timer-1",))
    await wait_until(lambda: handler.stopped == [CANCELLED], "it is stopped")


async def test_what_another_process_was_granted_is_stopped(redis_client, schedule, handler, carrier) -> None:
    await written(schedule, a_timer())
    await has_begun(handler, carrier)
    lease = await lease_of(redis_client)
    assert lease is not None
    await redis_client.hset(keys.schedule(SID), "l:timer-1", lease.replace(b"anna", b"ben"))
    await wait_until(lambda: handler.stopped == [LOST], "it is stopped")


async def test_a_process_that_drains_begins_nothing_and_gives_back_what_it_does_not_finish(
    schedule, handler, carrier
) -> None:
    await written(schedule, a_timer())
    await has_begun(handler, carrier)
    await written(schedule, a_timer("timer-2"))
    carrier.leave()
    await carrier.look(SID)
    await carrier.close(0.0)
    assert handler.stopped == [DRAINED]
    runs = await schedule.claim(SID, "ben", {"timer": 5})
    assert sorted((run.item.item_id, run.attempt) for run in runs) == [("timer-1", 1), ("timer-2", 1)]


async def test_a_process_that_drains_finishes_what_ends_in_time(redis_client, schedule, handler, carrier) -> None:
    await written(schedule, a_timer())
    await has_begun(handler, carrier)
    closing = asyncio.create_task(carrier.close(60.0))
    handler.go.set()
    await closing
    assert handler.stopped == []
    assert await is_settled(redis_client)


async def test_what_fails_by_a_bug_is_tried_again_later(redis_client, schedule, handler, carrier, caplog) -> None:
    await written(schedule, a_timer())
    handler.error = ValueError("what the caller said")
    handler.go.set()
    await has_begun(handler, carrier)

    async def is_given_back() -> bool:
        return (await lease_of(redis_client) or b"").startswith(b" ")

    await wait_until(is_given_back, "it is given back")
    assert "ValueError" in caplog.text
    assert "what the caller said" not in "".join(record.getMessage() for record in caplog.records)


async def test_the_watch_leaves_what_it_has_no_room_for_to_others(schedule, handler, carrier) -> None:
    handler.room = 1
    await written(schedule, a_timer("timer-1", -1), a_timer("timer-2"))
    await has_begun(handler, carrier)
    other = Carrier(schedule, {"timer": Holding(schedule)}, "ben")
    watch = ScheduleWatch(other, must_wait=never)
    watching = asyncio.create_task(watch.run())
    await wait_until(lambda: not other.is_idle, "the other has claimed the second")
    await cancel_and_wait(watching)
    await other.close(0.0)
    assert handler.begun == ["timer-1"]


async def never() -> bool:
    return False
