"""Calls of which nothing is heard, in a store that tells nothing of how long they live."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrator.clock import utc_now
from orchestrator.conversation.actions import Play
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.silence import is_occupied, seconds_open
from orchestrator.conversation.state import Activity, ConversationState, Timer, TurnRecord
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns.abandoned_calls import end_abandoned_calls, is_abandoned
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.redis.commits import CallLives

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


def after(since: datetime, *, channel: str = "api", set_for: float | None = None, own_after: float = 0.0) -> Any:
    """A call whose caller was heard of `since`, perhaps with a timer set then for so many seconds, and a turn that came
    by itself so many seconds later."""
    said = TurnRecord.of(a_turn("t1"), "replied", Reply())
    said.committed_at = since
    state = ConversationState(call_sid="CA1", channel=channel, created_at=since, turns=[said])
    if own_after:
        own = TurnRecord.of(a_turn("~timer-1", kind="timer"), "replied", Reply())
        own.committed_at = since + timedelta(seconds=own_after)
        state.turns.append(own)
    if set_for is not None:
        state.timers["late"] = Timer(turn_id="~timer-2", due_at=since + timedelta(seconds=set_for))
    return state


def test_a_call_is_kept_until_its_timer_has_brought_its_turn() -> None:
    for channel in ("api", "gather"):
        assert seconds_open(after(utc_now(), channel=channel, set_for=7200)) > 7200
    assert seconds_open(after(utc_now(), set_for=7200, own_after=7000)) < 1000, "it is due in 200 seconds"
    assert seconds_open(after(utc_now())) == 0.0


def test_a_conversation_with_a_timer_ahead_is_not_abandoned() -> None:
    since = utc_now() - timedelta(seconds=2000)
    assert is_abandoned(after(since), 3600.0, None)
    assert not is_abandoned(after(since, set_for=2100), 3600.0, None)
    assert is_abandoned(after(since, set_for=1000), 3600.0, None)
    started = after(since)
    started.activities["search"] = Activity(turn_id="~activity-1", function="shop:find", started_at=since)
    assert not is_abandoned(started, 3600.0, None)


def test_turns_that_come_by_themselves_keep_no_call() -> None:
    state = after(utc_now() - timedelta(seconds=2000), channel="gather", set_for=2050, own_after=1990)
    lives = CallLives(3600_000, 3600_000)
    assert lives.kept_ms(state) < 1700_000
    assert is_abandoned(state, 3600.0, lives.kept_ms(state) / 1000 - 10)
    state.turns[1].kind = "speech"
    assert lives.kept_ms(state) == 3600_000
    assert not is_abandoned(state, 3600.0, 3590.0)


def test_a_turn_that_came_by_itself_does_not_shorten_what_the_caller_listens_to() -> None:
    music = TurnRecord.of(a_turn("t1"), "replied", Reply(actions=[MUSIC]))
    own = TurnRecord.of(a_turn("~signal-1", kind="signal"), "replied", Reply(text="News."))
    assert is_occupied(ConversationState(call_sid="CA1", turns=[music, own]))
    assert not is_occupied(
        ConversationState(call_sid="CA1", turns=[music, own, TurnRecord.of(a_turn("t2"), "replied", Reply())])
    )
