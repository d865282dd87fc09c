"""Schedules in the memory of one process."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from support.passing_time import moving_clock

from orchestrator import clock
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.memory_schedule import MemorySchedule
from orchestrator.schedule.schedule import ItemLease
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.schedule_contract import (
    ROOM,
    SID,
    ScheduleContract,
    a_message,
    a_timer,
    an_activity,
    claimed,
    written,
)

LONG_SECONDS = 4000.0
"""Longer than any lease or pause of the contract."""


class TestMemorySchedule(ScheduleContract):
    @pytest.fixture(autouse=True)
    def passing(self) -> Iterator[None]:
        with moving_clock() as self.move:
            yield

    @pytest.fixture
    def schedule(self) -> MemorySchedule:
        self.outbox = MemoryOutbox(InMemoryStateManager(), ("file",))
        return MemorySchedule(self.outbox.announce_late)

    async def expire(self, schedule: MemorySchedule, lease: ItemLease) -> None:
        self.move(LONG_SECONDS)

    async def told(self, schedule: MemorySchedule, call_sid: str) -> list[str]:
        return [left.entry.event.type for left in await self.outbox.undelivered(call_sid)]


@pytest.fixture
def move() -> Iterator[Callable[[float], None]]:
    with moving_clock() as move:
        yield move


async def test_whoever_waits_is_woken_by_what_is_written_for_now() -> None:
    schedule = MemorySchedule()
    await written(schedule, a_timer("timer-1", 3600))
    waiting = asyncio.create_task(schedule.wait_until_due())
    await asyncio.sleep(0)
    assert not waiting.done()
    await written(schedule, a_timer("timer-2"))
    await asyncio.wait_for(waiting, 30)


async def test_a_call_whose_state_is_gone_loses_all_but_its_messages() -> None:
    schedule = MemorySchedule()
    await written(schedule, a_timer(), an_activity(), a_message())
    schedule.forget(SID)
    assert [run.item.item_id for run in await schedule.claim(SID, "anna", ROOM)] == ["message-1"]
    schedule.forget(SID)
    assert schedule.calls == [SID]
    (run,) = schedule.pending(SID)
    assert await schedule.settle(run)
    schedule.forget(SID)
    assert schedule.calls == []


async def test_an_erased_call_has_nothing_left() -> None:
    schedule = MemorySchedule()
    await written(schedule, a_message())
    run = await claimed(schedule)
    schedule.forget(SID, erased=True)
    (lost,) = await schedule.renew([run.lease])
    assert lost.is_cancelled
    assert (schedule.calls, schedule.first_due) == ([], None)


async def test_what_is_pending_says_how_far_it_has_got(move: Callable[[float], None]) -> None:
    schedule = MemorySchedule()
    await schedule.write(SID, ScheduleChanges((a_message(), a_timer("timer-1", 3600))))
    run = await claimed(schedule)
    assert await schedule.mark_posting(run)
    message, timer = schedule.pending(SID)
    assert (message.attempt, message.posting_since is not None) == (1, True)
    assert (timer.attempt, timer.posting_since) == (0, None)


async def test_nothing_is_kept_of_a_gone_call_once_its_messages_are_sent() -> None:
    schedule = MemorySchedule()
    await written(schedule, a_message())
    run = await claimed(schedule)
    schedule.forget(SID)
    assert await schedule.settle(run)
    assert schedule.calls == []


async def test_a_call_that_moves_begins_nothing_until_that_has_failed(move: Callable[[float], None]) -> None:
    schedule = MemorySchedule()
    await written(schedule, a_timer("timer-1"), a_message())
    (run,) = await schedule.claim(SID, "anna", {"message": 1})
    with schedule.moving(SID):
        assert await schedule.claim(SID, "ben", ROOM) == []
        assert not await schedule.mark_posting(run)
        assert await schedule.renew([run.lease]) == [], "it is carried out here until another has it"
    move(1.1)
    assert await schedule.due() == [SID]
    assert await schedule.mark_posting(run)
    assert [run.item.item_id for run in await schedule.claim(SID, "ben", ROOM)] == ["timer-1"]


async def test_a_message_that_may_have_been_sent_is_finished_where_that_was() -> None:
    schedule = MemorySchedule()
    await written(schedule, a_message())
    run = await claimed(schedule)
    assert await schedule.mark_posting(run)
    with schedule.moving(SID):
        assert schedule.is_posting(SID)
        assert await schedule.fail(run, clock.now())
        assert await schedule.due() == [SID]
        again = await claimed(schedule, "ben")
        assert await schedule.mark_posting(again)
        assert await schedule.settle(again)
        assert not schedule.is_posting(SID)


async def test_a_message_that_another_schedule_may_have_is_never_sent_here() -> None:
    schedule = MemorySchedule()
    await written(schedule, a_timer("timer-1"), a_message())
    with schedule.moving(SID):
        assert [item.item_id for item in schedule.hand_over(SID)] == ["timer-1", "message-1"]
    assert [run.item.item_id for run in await schedule.claim(SID, "anna", ROOM)] == ["timer-1"]
    with schedule.moving(SID):
        assert [item.item_id for item in schedule.hand_over(SID)] == ["timer-1", "message-1"]


async def test_all_that_runs_is_lost_once_a_call_has_moved() -> None:
    schedule = MemorySchedule()
    await written(schedule, an_activity())
    run = await claimed(schedule)
    with schedule.moving(SID):
        schedule.moved(SID)
        assert [one.is_cancelled for one in await schedule.renew([run.lease])] == [False]
        assert not await schedule.settle(run)
        assert not await schedule.fail(run, clock.now())
    assert (schedule.calls, schedule.first_due) == ([], None)


async def test_nothing_is_kept_of_a_call_that_moved_with_nothing() -> None:
    schedule = MemorySchedule()
    with schedule.moving(SID):
        pass
    assert schedule.calls == []
