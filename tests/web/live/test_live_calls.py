"""The lines of live calls: what is read, and what a reader gets who was away."""

import pytest

from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StoreUnavailable
from orchestrator.state.memory import InMemoryStateManager
from web.live.live_calls import MOST_READ, LiveCalls


async def write(states: InMemoryStateManager, call_sid: str) -> None:
    state = await states.get_state(call_sid)
    assert state is not None
    await states.update_state(state)


async def test_a_reading_takes_so_many_states_at_most_and_leaves_none_out():
    states = InMemoryStateManager()
    for number in range(2 * MOST_READ + 1):
        await states.create_state(f"call-{number}")
    calls, counts = LiveCalls(states), []
    while not counts or not calls.is_whole:
        await calls.read([], 0)
        counts.append(len(calls.rows))
    assert counts == [MOST_READ, 2 * MOST_READ, 2 * MOST_READ + 1]


async def test_who_was_away_gets_the_latest_line_of_each_call_once():
    states = InMemoryStateManager()
    for call_sid in ("a", "b", "c"):
        await states.create_state(call_sid)
    calls = LiveCalls(states)
    await calls.read([], 0)
    seen = calls.changes_since(0)
    assert (seen.reset, len(seen.changed)) == (True, 3)
    for _ in range(3):
        await write(states, "a")
        await calls.read([], 0)
    await states.delete_state("b")
    await calls.read([], 0)
    missed = calls.changes_since(seen.revision)
    assert (missed.reset, len(missed.changed), missed.gone) == (False, 1, ["b"])
    assert '"version": 4' in missed.changed[0]
    assert calls.changes_since(missed.revision).is_nothing


class Interrupted(InMemoryStateManager):
    """Lists its calls, and may be unable to read one."""

    is_away = False

    async def get_state(self, call_sid: str) -> ConversationState | None:
        if self.is_away:
            raise StoreUnavailable
        return await super().get_state(call_sid)


async def test_a_call_that_ended_is_gone_though_the_reading_that_said_so_has_failed():
    states = Interrupted()
    for call_sid in ("a", "b"):
        await states.create_state(call_sid)
    calls = LiveCalls(states)
    await calls.read([], 0)
    seen = calls.changes_since(0)
    await states.delete_state("a")
    states.is_away = True
    with pytest.raises(StoreUnavailable):
        await calls.read([], 0)
    states.is_away = False
    await calls.read([], 0)
    missed = calls.changes_since(seen.revision)
    assert (missed.changed, missed.gone) == ([], ["a"])
    assert [row["call_sid"] for row in calls.rows] == ["b"]


async def test_a_call_that_comes_back_is_not_gone():
    states = InMemoryStateManager()
    await states.create_state("a")
    calls = LiveCalls(states)
    await calls.read([], 0)
    seen = calls.changes_since(0)
    await states.delete_state("a")
    await calls.read([], 0)
    await states.create_state("a")
    await calls.read([], 0)
    missed = calls.changes_since(seen.revision)
    assert (len(missed.changed), missed.gone) == (1, [])


async def test_the_health_of_a_call_follows_its_running_turn():
    states = InMemoryStateManager()
    await states.create_state("a")
    calls = LiveCalls(states)

    async def health(*running) -> tuple[str, str]:
        await calls.read(running, 100.0)
        (row,) = calls.rows
        return row["health"], row["why"]

    turn = {"call_sid": "a", "kind": "speech", "since": 99.0, "said": ""}
    assert await health() == ("ok", "")
    assert await health(turn) == ("ok", "")
    assert await health({**turn, "since": 97.0}) == ("slow", "waits")
    assert await health({**turn, "since": 97.0, "said": "Well"}) == ("ok", "")
    assert await health({**turn, "attempt": 2}) == ("slow", "run_again")
    assert await health({"call_sid": "a", "since": 97.0, "is_held": True}) == ("slow", "held")
    assert await health({**turn, "since": "no number", "attempt": None}) == ("ok", "")
    assert await health() == ("ok", "")
