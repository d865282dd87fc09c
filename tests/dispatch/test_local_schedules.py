"""What calls have scheduled that run here while Redis is down, and its way to the schedule of all processes."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from support.passing_time import moving_clock

from orchestrator.clock import utc_now
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import Activity, ConversationState, Timer, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.local_calls import LocalCalls
from orchestrator.dispatch.local_schedules import STATE_SECONDS, LocalSchedules
from orchestrator.errors import StoreUnavailable
from orchestrator.redis.breaker import Breaker
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.memory_schedule import MemorySchedule
from orchestrator.schedule.restored import timers_of
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.schedule_contract import ROOM, a_message, a_timer, an_activity, written

CALL = "CA1"


class Store(InMemoryStateManager):
    """The shared states. Writing one fails on demand, or takes a while."""

    is_down = False
    after_write: Any = None

    async def probe(self) -> None:
        """It is up."""

    async def update_state(self, state: ConversationState) -> ConversationState:
        if self.is_down:
            raise StoreUnavailable("down")
        written_state = await super().update_state(state)
        if self.after_write is not None:
            self.after_write()
        return written_state


@pytest.fixture
def move() -> Iterator[Any]:
    with moving_clock() as move:
        yield move


@pytest.fixture
def store(move: Any) -> Store:
    return Store()


@pytest.fixture
def memory(move: Any) -> InMemoryStateManager:
    return InMemoryStateManager()


@pytest.fixture
def local() -> MemorySchedule:
    return MemorySchedule()


@pytest.fixture
def shared() -> MemorySchedule:
    return MemorySchedule()


@pytest.fixture
async def calls(store, memory, local, shared) -> AsyncIterator[LocalCalls]:
    async def idle(call_sid: str, seconds: float) -> None:
        """No turn runs."""

    schedules = LocalSchedules(local, shared)
    async with Breaker(store.probe) as breaker:
        calls = LocalCalls(
            states=store, memory=memory, breaker=breaker, idle=idle, schedules=schedules, return_seconds=3600
        )
        yield calls
        await calls.close()


def a_record(turn_id: str) -> TurnRecord:
    return TurnRecord.of(Turn(turn_id=turn_id, call_sid=CALL, kind="timer"), "replied", Reply())


def a_timer_at(in_seconds: float, item_id: str = "timer-1") -> Timer:
    return Timer(turn_id=f"~{item_id}", due_at=utc_now() + timedelta(seconds=in_seconds))


def ids(schedule: MemorySchedule) -> list[str]:
    return sorted(run.item.item_id for run in schedule.pending(CALL))


async def change(memory: InMemoryStateManager, **changes: Any) -> None:
    state = await memory.get_state(CALL)
    await memory.update_state(state.model_copy(update=changes))


async def test_what_is_pending_moves_along_with_its_call(calls, store, memory, local, shared) -> None:
    await calls.add(CALL, await store.create_state(CALL))
    activity = Activity(turn_id="~activity-1", function="shop:look_up", started_at=utc_now())
    await change(memory, turns=[a_record("t1")], timers={"tea": a_timer_at(3600)}, activities={"activity-1": activity})
    await written(local, a_timer("timer-1", 3600), an_activity(), a_message())
    running = await local.claim(CALL, "here", {"activity": 1})
    assert await calls.write_back(CALL)
    assert CALL not in calls
    assert ids(shared) == ["activity-1", "message-1", "timer-1"]
    assert (await store.get_state(CALL)).timers.keys() == {"tea"}
    assert (local.calls, local.first_due) == ([], None)
    assert len(await local.renew([run.lease for run in running])) == 1


async def test_nothing_is_carried_out_before_its_state_is_there(calls, store, memory, local, shared, move) -> None:
    await calls.add(CALL, await store.create_state(CALL))
    await change(memory, turns=[a_record("t1")], timers={"tea": a_timer_at(-1)})
    await written(local, a_timer("timer-1", -1))
    store.is_down = True
    assert not await calls.write_back(CALL)
    assert (ids(shared), await shared.claim(CALL, "worker", ROOM)) == (["timer-1"], [])
    move(STATE_SECONDS)
    assert [run.item.item_id for run in await local.claim(CALL, "here", ROOM)] == ["timer-1"], "it goes on here"


async def test_what_was_carried_out_too_soon_is_carried_out_again(calls, store, memory, local, shared, move) -> None:
    def worker_is_quicker() -> None:
        """The state took long to write. A worker fires the timer, and its turn finds none in the state."""
        move(STATE_SECONDS)
        shared.forget(CALL, erased=True)
        store.after_write = None

    await calls.add(CALL, await store.create_state(CALL))
    await change(memory, turns=[a_record("t1")], timers={"tea": a_timer_at(-1)})
    await written(local, a_timer("timer-1", -1), a_message())
    store.after_write = worker_is_quicker
    assert await calls.write_back(CALL)
    assert "timer-1" in ids(shared)


async def test_a_message_is_not_sent_here_once_others_may_have_it(calls, store, memory, local, shared, move) -> None:
    await calls.add(CALL, await store.create_state(CALL))
    await change(memory, turns=[a_record("t1")])
    await written(local, a_message())
    store.is_down = True
    assert not await calls.write_back(CALL)
    assert await local.claim(CALL, "here", ROOM) == []
    store.is_down = False
    assert await calls.write_back(CALL)
    move(STATE_SECONDS)
    assert [run.item.item_id for run in await shared.claim(CALL, "worker", ROOM)] == ["message-1"]


async def test_messages_move_although_the_state_is_gone(calls, store, memory, local, shared) -> None:
    await calls.add(CALL, await store.create_state(CALL))
    await written(local, a_timer(), a_message())
    await memory.delete_state(CALL)
    assert await calls.write_back(CALL)
    assert ids(shared) == ["message-1"]
    assert local.calls == []


async def test_a_timer_that_fired_or_was_cancelled_here_fires_nowhere_else(calls, store, memory, local, shared) -> None:
    base = await store.create_state(CALL)
    timers = {name: a_timer_at(60, name) for name in ("fired", "cancelled", "left")}
    base = await store.update_state(base.model_copy(update={"timers": timers, "turns": [a_record("t1")]}))
    await shared.write(CALL, ScheduleChanges(timers_of(base)))
    await calls.add(CALL, base)
    await local.write(CALL, ScheduleChanges(timers_of(base)))
    await change(memory, turns=[*base.turns, a_record("~fired")], timers={"left": timers["left"]})
    await local.write(CALL, ScheduleChanges(removed=("fired", "cancelled")))
    assert await calls.write_back(CALL)
    assert ids(shared) == ["left"]
    assert (await store.get_state(CALL)).timers.keys() == {"left"}


async def test_a_timer_that_fired_there_fires_no_more(calls, store, memory, local, shared) -> None:
    base = await store.create_state(CALL)
    base = await store.update_state(base.model_copy(update={"timers": {"tea": a_timer_at(60)}}))
    await calls.add(CALL, base)
    await local.write(CALL, ScheduleChanges(timers_of(base)))
    await change(memory, turns=[a_record("t1")])
    there = await store.get_state(CALL)
    await store.update_state(there.model_copy(update={"timers": {}, "turns": [a_record("~timer-1")]}))
    assert await calls.write_back(CALL)
    assert (await store.get_state(CALL)).timers == {}


async def test_nothing_is_written_of_calls_that_have_scheduled_nothing(
    calls, store, memory, local, shared, monkeypatch
) -> None:
    changes = []

    async def write(call_sid: str, change: ScheduleChanges) -> None:
        changes.append(change)

    monkeypatch.setattr(shared, "write", write)
    await calls.add(CALL, await store.create_state(CALL))
    await change(memory, turns=[a_record("t1")])
    assert await calls.write_back(CALL)
    assert not any(changes)
