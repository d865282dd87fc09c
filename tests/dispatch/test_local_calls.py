"""Calls that run in this process while Redis is down, and their way back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.waiting import wait_until

from orchestrator.clock import now
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, EndRecord, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.local_calls import LocalCalls
from orchestrator.dispatch.local_events import LocalEvents
from orchestrator.errors import StoreUnavailable
from orchestrator.events.event import new_event
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import Announcement, NewEvent
from orchestrator.events.record import record_of_call
from orchestrator.redis.breaker import Breaker
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.example_events import an_event, announcement, deliver_all, head_of, queue_of

CALL = "CA1"


class Store(InMemoryStateManager):
    """The shared store, which is down on demand."""

    is_down = False

    async def probe(self) -> None:
        if self.is_down:
            raise StoreUnavailable("down")

    async def get_confirmed_state(self, call_sid: str) -> ConversationState | None:
        await self.probe()
        return await super().get_confirmed_state(call_sid)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def memory() -> InMemoryStateManager:
    return InMemoryStateManager()


async def idle(call_sid: str, seconds: float) -> None:
    """No turn runs."""


class SharedOutbox(MemoryOutbox):
    """The shared outbox, whose answer is lost on demand; `state_then` is the shared state when events came."""

    loses_answer = False
    state_then: ConversationState | None = None

    async def take_over(self, announcement: Announcement) -> None:
        self.state_then = await self.states.get_state(announcement.head.call_sid)
        await super().take_over(announcement)
        if self.loses_answer:
            raise StoreUnavailable("the answer was lost")


@pytest.fixture
def shared(store: Store) -> SharedOutbox:
    return SharedOutbox(store, ("file",))


@pytest.fixture
def waiting(memory: InMemoryStateManager) -> MemoryOutbox:
    return MemoryOutbox(memory, ("file",), elsewhere=lambda call_sid: True)


def calls_of(store: Store, memory: InMemoryStateManager, breaker: Breaker, **options: Any) -> LocalCalls:
    return LocalCalls(states=store, memory=memory, breaker=breaker, idle=idle, **options)


@pytest.fixture
async def breaker(store: Store) -> AsyncIterator[Breaker]:
    async with Breaker(store.probe) as breaker:
        yield breaker


async def run_turn(memory: InMemoryStateManager, turn_id: str = "t1") -> None:
    """Answer a turn in memory."""
    state = await memory.get_state(CALL)
    assert state is not None
    turn = Turn(turn_id=turn_id, call_sid=CALL, kind="speech", text="hello")
    record = TurnRecord.of(turn, "replied", Reply(text="Hello!"))
    await memory.update_state(state.model_copy(update={"turns": [record], "slots": {"name": "Ann"}}))


async def test_a_call_is_written_back_once_redis_is_up(store, memory) -> None:
    base = await store.create_state(CALL)
    store.is_down = True
    async with Breaker(store.probe) as breaker:
        calls = calls_of(store, memory, breaker)
        await calls.add(CALL, base)
        assert CALL in calls
        await run_turn(memory)
        store.is_down = False
        await wait_until(lambda: CALL not in calls, "it was written back")
        written = await store.get_state(CALL)
        assert (written.slots, [record.turn_id for record in written.turns]) == ({"name": "Ann"}, ["t1"])
        assert await memory.get_state(CALL) is None
        await calls.close()


async def test_a_call_that_was_erased_meanwhile_is_not_written_back(store, memory, breaker, shared, waiting) -> None:
    async def drop_erased(state: ConversationState) -> bool:
        return state.call_sid == CALL

    calls = calls_of(store, memory, breaker, events=LocalEvents(waiting, shared), drop_erased=drop_erased)
    base = await store.create_state(CALL)
    store.is_down = True
    await calls.add(CALL, base)
    await run_turn(memory)
    store.is_down = False
    await store.delete_state(CALL)
    assert await calls.write_back(CALL) is True
    assert CALL not in calls
    assert await store.get_state(CALL) is None
    assert await memory.get_state(CALL) is None
    assert await shared.calls() == ([], "")
    await calls.close()


async def test_a_call_that_cannot_be_written_back_yet_stays(store, memory, breaker) -> None:
    calls = calls_of(store, memory, breaker)
    base = await store.create_state(CALL)
    store.is_down = True
    await calls.add(CALL, base)
    await run_turn(memory)
    assert await calls.write_back(CALL) is False
    assert CALL in calls
    store.is_down = False
    assert await calls.write_back(CALL) is True
    assert CALL not in calls
    await calls.close()


async def test_a_call_that_does_not_run_here_need_not_be_waited_for(store, memory, breaker) -> None:
    calls = calls_of(store, memory, breaker)
    assert await calls.write_back("CA-elsewhere") is True
    await calls.close()


async def test_after_an_outage_too_short_for_the_breaker_it_is_written_back_all_the_same(
    store, memory, breaker
) -> None:
    calls = calls_of(store, memory, breaker, return_seconds=0.01)
    await calls.add(CALL, await store.create_state(CALL))
    assert not breaker.is_open
    await wait_until(lambda: CALL not in calls, "it was written back")
    await calls.close()


async def test_events_wait_here_and_are_written_back_before_the_state(store, memory, breaker, shared, waiting) -> None:
    base = await store.create_state(CALL)
    shared.announce(announcement(head_of(base), an_event("before")))
    calls = calls_of(store, memory, breaker, events=LocalEvents(waiting, shared), return_seconds=60)
    await calls.add(CALL, base)
    waiting.announce(announcement(head_of(base), an_event("meanwhile")))
    await run_turn(memory)
    assert await waiting.due() == []
    assert await waiting.claim(CALL, "here") is None
    assert await calls.write_back(CALL) is True
    assert shared.state_then == base, "the state comes after the events"
    found = await shared.claim(CALL, "a worker")
    assert [(e.event.data["text"], e.event.seq) for e in queue_of(found).entries] == [("before", 1), ("meanwhile", 2)]
    assert waiting.announced(CALL) == []
    await calls.close()


async def test_events_whose_write_back_is_repeated_are_written_once(store, memory, breaker, shared, waiting) -> None:
    calls = calls_of(store, memory, breaker, events=LocalEvents(waiting, shared), return_seconds=60)
    await calls.add(CALL)
    state = await memory.create_state(CALL)
    waiting.announce(announcement(head_of(state), an_event("a")))
    shared.loses_answer = True
    assert await calls.write_back(CALL) is False
    assert await store.get_state(CALL) is None
    assert await shared.unended(CALL) is None, "its state is about to come"
    assert await deliver_all(shared, CALL) == ["a"]
    waiting.announce(announcement(head_of(state), an_event("b")))
    shared.loses_answer = False
    assert await calls.write_back(CALL) is True
    assert await deliver_all(shared, CALL) == ["b"]
    written = await store.get_state(CALL)
    assert head_of(written).life == head_of(state).life
    await calls.close()


async def test_a_call_that_began_here_and_there_is_told_as_one(store, memory, breaker, shared, waiting) -> None:
    calls = calls_of(store, memory, breaker, events=LocalEvents(waiting, shared), return_seconds=60)
    theirs = await store.create_state(CALL, created_at="2026-01-01T00:00:00Z")
    shared.announce(announcement(head_of(theirs), an_event("begins there", kind="call.started")))
    await calls.add(CALL)
    ours = await memory.create_state(CALL)
    turn = an_event("a")
    turn.event.data["started_at"] = head_of(ours).life
    events = (an_event("begins here", kind="call.started"), turn, an_event("bye", kind="call.ended"))
    waiting.announce(announcement(head_of(ours), *events))
    ended = EndRecord(status="completed")
    await memory.update_state(ours.model_copy(update={"status": "completed", "ended": ended}))
    assert await calls.write_back(CALL) is True
    told = queue_of(await shared.claim(CALL, "anna")).entries
    assert {entry.event.data.get("started_at") for entry in told[1:]} == {head_of(theirs).life}
    assert await deliver_all(shared, CALL) == ["begins there", "a", "bye"]
    written = await store.get_state(CALL)
    assert head_of(written).life == head_of(theirs).life
    assert await shared.unended(CALL) is None
    await calls.close()


async def test_a_call_that_ended_and_expired_here_has_its_events_written_back(
    store, memory, breaker, shared, waiting
) -> None:
    calls = calls_of(store, memory, breaker, events=LocalEvents(waiting, shared), return_seconds=60)
    await calls.add(CALL)
    state = await memory.create_state(CALL)
    waiting.announce(announcement(head_of(state), an_event("a"), an_event("bye", kind="call.ended")))
    await memory.delete_state(CALL)
    assert await calls.write_back(CALL) is True
    assert CALL not in calls
    assert await deliver_all(shared, CALL) == ["a", "bye"]
    assert await shared.unended(CALL) is None
    await calls.close()


async def test_the_end_of_a_call_is_told_with_the_turns_that_only_the_store_had(
    store, memory, breaker, shared, waiting
) -> None:
    base = await store.create_state(CALL)
    calls = calls_of(store, memory, breaker, events=LocalEvents(waiting, shared), return_seconds=60)
    await calls.add(CALL, base)
    await run_turn(store, turn_id="theirs")
    await run_turn(memory, turn_id="ours")
    ours = await memory.get_state(CALL)
    ours = await memory.update_state(ours.model_copy(update={"ended": EndRecord(status="completed")}))
    ended = NewEvent(new_event("call.ended", now(), {"call_sid": CALL, **record_of_call(ours)}), ("file",))
    waiting.announce(announcement(head_of(ours), an_event("a"), ended))
    for _ in range(2):  # the second finds nothing to do
        assert await calls.write_back(CALL) is True
    entries = queue_of(await shared.claim(CALL, "a worker")).entries
    assert [(entry.event.type, entry.event.seq) for entry in entries] == [("turn.completed", 1), ("call.ended", 2)]
    assert [turn["turn_id"] for turn in entries[1].event.data["turns"]] == ["theirs", "ours"]
    assert entries[1].event.id == ended.event.id
    await calls.close()


async def test_a_turn_that_runs_is_waited_for(store, memory, breaker) -> None:
    gate = asyncio.Event()

    async def until_open(call_sid: str, seconds: float) -> None:
        await gate.wait()

    calls = LocalCalls(states=store, memory=memory, breaker=breaker, idle=until_open)
    await calls.add(CALL, await store.create_state(CALL))
    writing = asyncio.create_task(calls.write_back(CALL))
    returned = asyncio.create_task(calls.wait_returned(CALL))
    await run_turn(memory)
    gate.set()
    assert await writing is True
    await returned
    assert (await store.get_state(CALL)).slots == {"name": "Ann"}
    await calls.close()
