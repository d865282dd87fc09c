"""A process whose states outlive it takes up what their calls had scheduled."""

from datetime import timedelta

import pytest

from orchestrator.clock import utc_now
from orchestrator.conversation.state import Activity, ConversationState, EndRecord, Timer
from orchestrator.dispatch.local_restoring import restore_schedules
from orchestrator.errors import StoreUnavailable
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.store import Claim


class States(InMemoryStateManager):
    """States that cannot be listed at first, so many times."""

    outages = 0

    async def get_all_call_sids(self) -> list[str]:
        if self.outages:
            self.outages -= 1
            raise StoreUnavailable("down")
        return await super().get_all_call_sids()


@pytest.fixture
def states() -> States:
    return States()


async def a_call(states: States, call_sid: str = "CA1", **fields: object) -> ConversationState:
    timers = {"tea": Timer(turn_id="~timer-1", due_at=utc_now() + timedelta(hours=1), data={"cups": 2})}
    activities = {"calendar": Activity(turn_id="~activity-1", function="shop:look_up", started_at=utc_now())}
    return await states.create_state(call_sid, **{"timers": timers, "activities": activities, **fields})


async def claimed(store: InMemoryTurnStore, call_sid: str = "CA1") -> Claim | None:
    return await store.claim(call_sid, "here")


async def test_its_timers_are_set_and_its_activities_have_failed(states: States) -> None:
    await a_call(states)
    store = InMemoryTurnStore(states)
    await restore_schedules(store, utc_now() + timedelta(seconds=1))
    (run,) = store.scheduling.schedule.pending("CA1")
    assert (run.item.kind, run.item.turn_id, run.item.name, run.item.data) == ("timer", "~timer-1", "tea", {"cups": 2})
    claim = await claimed(store)
    assert claim is not None
    assert (claim.turn.turn_id, claim.turn.kind, claim.turn.text) == ("~activity-1", "activity", "calendar")
    assert claim.turn.data == {"error": "WorkerLost"}


async def test_what_this_process_has_started_goes_on(states: States) -> None:
    began_at = utc_now() - timedelta(seconds=1)
    await a_call(states)
    store = InMemoryTurnStore(states)
    await restore_schedules(store, began_at)
    assert await claimed(store) is None


async def test_a_call_that_has_ended_has_nothing_to_come(states: States) -> None:
    await a_call(states, ended=EndRecord(status="completed", reason="caller"))
    store = InMemoryTurnStore(states)
    await restore_schedules(store, utc_now() + timedelta(seconds=1))
    assert (store.scheduling.schedule.calls, await claimed(store)) == ([], None)


async def test_an_outage_is_waited_for(states: States) -> None:
    await a_call(states)
    states.outages = 2
    store = InMemoryTurnStore(states)
    await restore_schedules(store, utc_now() + timedelta(seconds=1), again_seconds=0.01)
    assert await claimed(store) is not None
