"""Calls of which nothing is heard, in a store that tells nothing of how long they live."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from orchestrator.clock import utc_now
from orchestrator.conversation.actions import Play
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import TurnRecord
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns.abandoned_calls import end_abandoned_calls
from orchestrator.turns.memory_store import InMemoryTurnStore

LIFE = 300.0
MUSIC = Play("https://example.com/waiting.mp3", loop=0)


class Plain(InMemoryStateManager):
    """One that cannot keep calls alive, as one of a user's that has only what it must have."""

    async def keep_alive(self, call_sids: Sequence[str], seconds: float) -> bool:
        return False


async def a_call(states: Plain, seconds_ago: float, *actions: Any) -> None:
    """A call whose last turn was answered so long ago."""
    then = utc_now() - timedelta(seconds=seconds_ago)
    record = TurnRecord.of(a_turn("t1"), "replied", Reply(actions=list(actions)))
    record.committed_at = then
    await states.create_state("CA1", turns=[record], created_at=then, updated_at=then)


async def look_after(states: Plain) -> tuple[int, list[str], int]:
    """How many calls were ended, which turns wait now, and the version of the state."""
    store = InMemoryTurnStore(states)
    ended = await end_abandoned_calls(store, states, [("CA1", None), ("CA-gone", None)], life=LIFE)
    state = await states.get_state("CA1")
    assert state is not None
    return ended, await store.waiting("CA1"), state.version


async def test_an_open_call_is_written_again_before_its_time_runs_out() -> None:
    states = Plain(LIFE)
    await a_call(states, 120, MUSIC)
    assert await look_after(states) == (0, [], 2)
    assert await look_after(states) == (0, [], 2), "its time was just renewed"


async def test_an_index_entry_written_with_another_ttl_ends_no_active_call() -> None:
    """In a deploy that changes it, the entry of a call may expire much sooner than ours would."""
    states = Plain(LIFE)
    await a_call(states, 5)
    store = InMemoryTurnStore(states)
    assert await end_abandoned_calls(store, states, [("CA1", 20.0)], life=3600.0) == 0
    assert await store.waiting("CA1") == []


async def test_a_renewed_state_does_not_keep_an_abandoned_call() -> None:
    states = Plain(LIFE)
    await a_call(states, 160)
    assert await look_after(states) == (1, ["ended"], 1)
    states = Plain(LIFE)
    await a_call(states, 4 * 3600 + 60, MUSIC)
    assert await look_after(states) == (1, ["ended"], 1)


async def test_a_young_call_is_left_alone() -> None:
    states = Plain(LIFE)
    await a_call(states, 50)
    assert await look_after(states) == (0, [], 1)
