"""What a turn changes in the schedule of its call."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.conversation.actions import (
    Action,
    CancelActivity,
    CancelTimer,
    HangUp,
    SendMessage,
    SetTimer,
    StartActivity,
)
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import OWN_PREFIX, Turn, TurnKind
from orchestrator.schedule.effects import changes_of
from orchestrator.schedule.item import ActivityItem, MessageItem, TimerItem, read_item
from orchestrator.turns.outcome import committed_state

SID = "CA1"
ACTIVITY = StartActivity("calendar:look_up", {"day": "Monday"}, name="look up")


def record_of(turn_id: str, *actions: Action, kind: TurnKind = "speech") -> TurnRecord:
    turn = Turn(turn_id=turn_id, call_sid=SID, kind=kind)
    return TurnRecord.of(turn, "replied", Reply(actions=list(actions)))


def after(state: ConversationState, record: TurnRecord) -> ConversationState:
    return committed_state(state, None, record)


def test_a_timer_is_in_the_state_and_in_what_is_written() -> None:
    before, record = ConversationState(call_sid=SID), record_of("turn-1", SetTimer("late", 30, {"a": 1}))
    state = after(before, record)
    (item,) = changes_of(before, state, record).added
    assert isinstance(item, TimerItem)
    assert (item.name, item.data, item.asked_by) == ("late", {"a": 1}, "turn-1")
    assert item.due_at == state.timers["late"].due_at == record.committed_at + timedelta(seconds=30)
    assert state.timers["late"].turn_id == item.turn_id == OWN_PREFIX + item.item_id
    assert read_item(item.model_dump_json()) == item


def nested(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = [value]
    return value


def test_what_is_nested_as_deep_as_may_be_can_be_read_again() -> None:
    timer, activity = SetTimer("late", 30, {"a": nested(99)}), StartActivity("a:b", {"a": nested(99)})
    before, record = ConversationState(call_sid=SID), record_of("turn-1", timer, activity)
    state = after(before, record)
    assert ConversationState.model_validate_json(state.model_dump_json()).timers == state.timers
    assert all(read_item(item.model_dump_json()) == item for item in changes_of(before, state, record).added)
    with pytest.raises(ValidationError, match="deeper"):
        SetTimer("late", 30, {"a": nested(100)})


def test_a_repeated_commit_writes_the_same_items() -> None:
    before, record = ConversationState(call_sid=SID), record_of("turn-1", SetTimer("a", 1), ACTIVITY)
    assert changes_of(before, after(before, record), record) == changes_of(before, after(before, record), record)


def test_the_last_timer_of_a_name_holds_and_takes_the_place_of_the_earlier_one() -> None:
    before, first = ConversationState(call_sid=SID), record_of("turn-1", SetTimer("a", 1), SetTimer("a", 2))
    state = after(before, first)
    added = changes_of(before, state, first).added
    assert [item.turn_id for item in added] == [state.timers["a"].turn_id]
    second = record_of("turn-2", SetTimer("a", 3))
    changes = changes_of(state, after(state, second), second)
    assert [item.item_id for item in added] == list(changes.removed)
    assert len(changes.added) == 1


def test_what_is_cancelled_is_removed() -> None:
    before, first = ConversationState(call_sid=SID), record_of("turn-1", SetTimer("a", 1), ACTIVITY)
    state = after(before, first)
    second = record_of("turn-2", CancelTimer("a"), CancelActivity("look up"), CancelTimer("unknown"))
    left = after(state, second)
    assert (left.timers, left.activities) == ({}, {})
    assert sorted(changes_of(state, left, second).removed) == sorted(
        item.item_id for item in changes_of(before, state, first).added
    )


def test_an_item_that_is_started_and_cancelled_in_one_turn_is_never_written() -> None:
    before, record = ConversationState(call_sid=SID), record_of("turn-1", SetTimer("a", 1), CancelTimer("a"))
    assert not changes_of(before, after(before, record), record)


def test_the_turn_that_an_item_brings_settles_it() -> None:
    before, first = ConversationState(call_sid=SID), record_of("turn-1", SetTimer("a", 1), SetTimer("b", 1))
    state = after(before, first)
    brought = record_of(state.timers["a"].turn_id, kind="timer")
    left = after(state, brought)
    assert list(left.timers) == ["b"]
    assert changes_of(state, left, brought).removed == (state.timers["a"].turn_id.removeprefix(OWN_PREFIX),)


def test_a_timer_may_set_itself_again() -> None:
    before, first = ConversationState(call_sid=SID), record_of("turn-1", SetTimer("a", 1))
    state = after(before, first)
    again = record_of(state.timers["a"].turn_id, SetTimer("a", 5), kind="timer")
    left = after(state, again)
    assert left.timers["a"].turn_id != state.timers["a"].turn_id
    assert len(changes_of(state, left, again).added) == 1


def test_the_end_of_the_call_takes_timers_and_activities_and_leaves_messages() -> None:
    before, first = ConversationState(call_sid=SID), record_of("turn-1", SetTimer("a", 1), ACTIVITY)
    state = after(before, first)
    last = record_of("turn-2", SendMessage("+15551230000", "See you!"), SetTimer("b", 1), HangUp())
    ended = after(state, last)
    changes = changes_of(state, ended, last)
    assert (ended.timers, ended.activities) == ({}, {})
    assert [type(item) for item in changes.added] == [MessageItem]
    assert len(changes.removed) == 2


def test_an_activity_has_what_it_runs_with() -> None:
    before, record = ConversationState(call_sid=SID), record_of("turn-1", ACTIVITY)
    (item,) = changes_of(before, after(before, record), record).added
    assert isinstance(item, ActivityItem)
    assert (item.function, item.args, item.retries) == ("calendar:look_up", {"day": "Monday"}, 2)
    assert item.idempotency_key == f"{SID}/{item.item_id}"


def test_an_ordinary_turn_changes_nothing() -> None:
    before, record = ConversationState(call_sid=SID), record_of("turn-1")
    state = after(before, record)
    assert not changes_of(before, state, record)
    assert "timers" not in state.model_dump_json()
