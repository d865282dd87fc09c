"""A call that went on in memory is joined with what happened to it elsewhere."""

from typing import Any

import pytest

from orchestrator.clock import utc_now
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import Activity, ConversationState, EndRecord, Timer, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.write_back import three_way_merge, write_back


def a_record(number: int, said: str = "yes") -> TurnRecord:
    return TurnRecord.of(Turn(turn_id=f"t{number}", call_sid="CA1", kind="speech"), "replied", Reply(text=said))


async def stored(**fields: Any) -> InMemoryStateManager:
    states = InMemoryStateManager()
    await states.create_state("CA1", **fields)
    return states


async def test_a_call_that_began_here_is_written_whole() -> None:
    states = InMemoryStateManager()
    ours = ConversationState(call_sid="CA1", turns=[a_record(1)], slots={"name": "Ann"}, phase="time", version=4)
    joined = await write_back(states, ours)
    assert (joined.slots, joined.phase) == ({"name": "Ann"}, "time")
    assert [record.turn_id for record in joined.turns] == ["t1"]
    assert await states.get_state("CA1") == joined


async def test_what_happened_there_after_we_left_off_is_kept() -> None:
    first, second, third = a_record(1), a_record(2), a_record(3)
    base = ConversationState(call_sid="CA1", turns=[first], slots={"seen": [1], "name": "Ann"}, phase="a")
    states = await stored(turns=[first, second], slots={"seen": [1, 2], "name": "Anne"}, phase="b")
    ours = base.model_copy(update={"turns": [first, third], "slots": {"seen": [1, 3], "name": "Ann", "time": "ten"}})
    joined = await write_back(states, ours, base)
    assert [record.turn_id for record in joined.turns] == ["t1", "t2", "t3"]
    assert joined.slots == {"seen": [1, 2, 3], "name": "Anne", "time": "ten"}
    assert joined.phase == "b"


async def test_a_turn_that_ran_there_as_well_counts_once() -> None:
    base = ConversationState(call_sid="CA1", slots={"seen": [0]})
    states = await stored(slots={"seen": [0, 1]}, turns=[a_record(1, "there")])
    ours = base.model_copy(update={"slots": {"seen": [0, 1, 2]}, "turns": [a_record(1, "here"), a_record(2)]})
    joined = await write_back(states, ours, base)
    assert joined.slots == {"seen": [0, 1, 2]}
    assert [record.reply.text for record in joined.turns] == ["here", "yes"]


async def test_what_was_written_before_is_not_written_again() -> None:
    base = ConversationState(call_sid="CA1", slots={"seen": [0]}, turns=[a_record(1)])
    states = await stored(slots={"seen": [0]}, turns=base.turns)
    ours = base.model_copy(update={"slots": {"seen": [0, 1]}, "turns": [*base.turns, a_record(2)]})
    joined = await write_back(states, ours, base)
    later = joined.model_copy(
        update={"slots": {"seen": [0, 1, 2]}, "turns": [*joined.turns[:1], heard(joined.turns[1]), a_record(3)]}
    )
    later = await states.update_state(later)
    assert await write_back(states, ours, base) == later


def heard(record: TurnRecord) -> TurnRecord:
    return record.model_copy(update={"heard": "ye"})


async def test_what_we_went_on_from_and_was_lost_there_is_put_back_with_its_effect() -> None:
    first, second = a_record(1), a_record(2)
    base = ConversationState(call_sid="CA1", turns=[first, second], slots={"seen": [1, 2], "name": "Ann"}, phase="b")
    states = await stored(turns=[first], slots={"seen": [1]}, phase="a")
    ours = base.model_copy(update={"turns": [*base.turns, a_record(3)], "slots": {"seen": [1, 2, 3], "name": "Ann"}})
    joined = await write_back(states, ours, base)
    assert (joined.slots, joined.phase) == ({"seen": [1, 2, 3], "name": "Ann"}, "b")
    assert [record.turn_id for record in joined.turns] == ["t1", "t2", "t3"]


async def test_what_the_caller_heard_wins_where_both_changed_the_same() -> None:
    base = ConversationState(call_sid="CA1", slots={"name": "Ann"})
    states = await stored(slots={"name": "Anne"}, turns=[a_record(1, "there")])
    ours = base.model_copy(update={"slots": {"name": "Hanna"}, "turns": [a_record(1, "here")]})
    joined = await write_back(states, ours, base)
    assert joined.slots == {"name": "Hanna"}
    assert [record.reply.text for record in joined.turns] == ["here"]


async def test_what_we_took_away_stays_away() -> None:
    base = ConversationState(call_sid="CA1", slots={"name": "Ann", "time": "ten"})
    states = await stored(slots={"name": "Ann", "time": "ten", "reason": "knee"})
    joined = await write_back(states, base.model_copy(update={"slots": {"name": "Ann"}}), base)
    assert joined.slots == {"name": "Ann", "reason": "knee"}


async def test_what_was_noted_there_of_an_older_turn_is_kept() -> None:
    first = a_record(1, "good day to you")
    base = ConversationState(call_sid="CA1", turns=[first])
    states = await stored(turns=[first.model_copy(update={"heard": "good day"})])
    joined = await write_back(states, base.model_copy(update={"turns": [first, a_record(2)]}), base)
    assert [record.heard for record in joined.turns] == ["good day", None]


async def test_the_first_end_stands() -> None:
    end = EndRecord(status="completed", reason="there")
    states = await stored(ended=end, status="completed")
    ours = ConversationState(call_sid="CA1", ended=EndRecord(status="failed", reason="here"), status="failed")
    joined = await write_back(states, ours)
    assert (joined.ended, joined.status) == (end, "completed")


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        pytest.param(1, 1, 2, 2, id="only theirs changed"),
        pytest.param(1, 2, 1, 2, id="only ours changed"),
        pytest.param(1, 2, 2, 2, id="both changed it alike"),
        pytest.param(1, 2, 3, 2, id="both changed it"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, {"a": 1, "c": 3}, {"a": 1, "b": 2, "c": 3}, id="keys of both"),
        pytest.param({"a": 1, "b": 1}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2}, id="a key that ours removed"),
        pytest.param({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1}, {"a": 2}, id="a key that theirs removed"),
        pytest.param({"a": 1}, {}, {"a": 2}, {}, id="a key that ours removed and theirs changed"),
        pytest.param({"a": 1}, {"a": 2}, {}, {"a": 2}, id="a key that theirs removed and ours changed"),
        pytest.param([1], [1, 2], [1, 3], [1, 3, 2], id="lists that both grew"),
        pytest.param([1], [2], [3], [2], id="lists that both replaced"),
        pytest.param(None, [1], [2], [2, 1], id="lists that both began"),
        pytest.param(
            {"a": {"b": [1]}}, {"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, {"a": {"b": [1, 3, 2]}}, id="nested"
        ),
    ],
)
def test_a_slot_is_merged_by_the_table(base: Any, ours: Any, theirs: Any, merged: Any) -> None:
    def state(value: Any, version: int, *turns: TurnRecord) -> ConversationState:
        return ConversationState(call_sid="CA1", version=version, slots={"slot": value}, turns=list(turns))

    result = three_way_merge(state(base, 1), state(ours, 2), state(theirs, 7))
    assert result.slots == {"slot": merged}
    assert result.version == 7


def test_a_side_that_changed_nothing_adds_nothing() -> None:
    base = ConversationState(call_sid="CA1", version=1, slots={"name": "Ann"}, turns=[a_record(1)])
    changed = base.model_copy(update={"version": 2, "slots": {}, "phase": "b", "turns": [a_record(1), a_record(2)]})
    for ours, theirs in ((changed, base), (base, changed)):
        merged = three_way_merge(base, ours, theirs)
        assert (merged.slots, merged.phase) == ({}, "b")
        assert [record.turn_id for record in merged.turns] == ["t1", "t2"]


async def test_timings_that_became_known_on_both_sides_are_kept() -> None:
    first, second = a_record(1), a_record(2)
    base = ConversationState(call_sid="CA1", turns=[first, second])

    def with_timings(record: TurnRecord, **timings: float) -> TurnRecord:
        return record.model_copy(update={"timings": {"claimed": 1.0, **timings}})

    states = await stored(turns=[with_timings(first, first_sent=2.0), with_timings(second, first_sent=3.0)])
    ours = base.model_copy(update={"turns": [with_timings(first, first_heard=4.0), second, a_record(3)]})
    joined = await write_back(states, ours, base)
    assert [record.timings for record in joined.turns] == [
        {"claimed": 1.0, "first_sent": 2.0, "first_heard": 4.0}, {"claimed": 1.0, "first_sent": 3.0}, {},
    ]  # fmt: skip


async def test_of_a_turn_that_both_sides_ran_the_timings_of_our_run_count() -> None:
    states = await stored(
        turns=[a_record(1, "there").model_copy(update={"timings": {"claimed": 1.0, "finished": 2.0}})]
    )
    here = a_record(1, "here").model_copy(update={"timings": {"claimed": 5.0}})
    joined = await write_back(states, ConversationState(call_sid="CA1", turns=[here]))
    assert (joined.turns[0].reply.text, joined.turns[0].timings) == ("here", {"claimed": 5.0})


async def test_whose_call_it_is_is_written_with_it_and_the_later_agent_stands() -> None:
    states = InMemoryStateManager()
    base = ConversationState(call_sid="CA1", agent="reception", tenant="north", turns=[a_record(1)], version=4)
    joined = await write_back(states, base)
    assert (joined.agent, joined.tenant) == ("reception", "north")
    handed = joined.model_copy(update={"agent": "billing", "worker_version": "v2", "turns": [*base.turns, a_record(2)]})
    await states.update_state(handed)
    ours = base.model_copy(update={"turns": [a_record(1), a_record(3)]})
    joined = await write_back(states, ours, base)
    assert (joined.agent, joined.worker_version) == ("billing", "v2")


def a_timer(item: str) -> Timer:
    return Timer(turn_id=f"~{item}", due_at=utc_now())


def an_activity(item: str) -> Activity:
    return Activity(turn_id=f"~{item}", function="shop:look_up", started_at=utc_now())


def test_timers_and_activities_are_merged_by_name() -> None:
    base_timers = {name: a_timer(name) for name in ("kept", "fired here", "fired there", "set again")}
    base = ConversationState(call_sid="CA1", timers=base_timers, activities={"done": an_activity("done")})
    ours = base.model_copy(
        update={
            "timers": {
                "kept": base_timers["kept"], "fired there": base_timers["fired there"],
                "set again": a_timer("again"), "new": a_timer("new"),
            },
            "activities": {"done": base.activities["done"], "ours": an_activity("ours")},
            "turns": [a_record(1)],
        }
    )  # fmt: skip
    theirs = base.model_copy(
        update={
            "timers": {name: base_timers[name] for name in ("kept", "fired here", "set again")},
            "activities": {"theirs": an_activity("theirs")},
            "turns": [a_record(2)],
        }
    )
    merged = three_way_merge(base, ours, theirs)
    assert {name: timer.turn_id for name, timer in merged.timers.items()} == {
        "kept": "~kept", "set again": "~again", "new": "~new",
    }  # fmt: skip
    assert merged.activities.keys() == {"ours", "theirs"}


def test_a_timer_whose_turn_ran_on_one_side_is_not_set_on_the_other() -> None:
    fired = TurnRecord.of(Turn(turn_id="~tea", call_sid="CA1", kind="timer", text="tea"), "replied", Reply())
    ours = ConversationState(call_sid="CA1", timers={"tea": a_timer("tea")}, turns=[a_record(1)])
    theirs = ConversationState(call_sid="CA1", turns=[fired])
    assert three_way_merge(ConversationState(call_sid="CA1"), ours, theirs).timers == {}


def test_a_call_that_has_ended_has_nothing_scheduled() -> None:
    base = ConversationState(call_sid="CA1", timers={"tea": a_timer("tea")}, activities={"a": an_activity("a")})
    ended = base.model_copy(
        update={"ended": EndRecord(status="completed", reason="caller"), "timers": {}, "activities": {}}
    )
    more = base.model_copy(update={"timers": {"new": a_timer("new")}, "activities": {"new": an_activity("new")}})
    for ours, theirs in ((base, ended), (ended, base), (more, ended), (ended, more)):
        merged = three_way_merge(base, ours, theirs)
        assert (merged.timers, merged.activities) == ({}, {})


async def test_what_is_hidden_on_both_sides_stays_known() -> None:
    first, second, third = a_record(1), a_record(2), a_record(3)
    hidden = {"slots": {"card": "[hidden]"}, "hidden_slots": {"card": "a"}, "hidden_words": ["1"]}
    base = ConversationState(call_sid="CA1", turns=[first], **hidden)
    there = {"card": "a", "pin": "b"}
    states = await stored(
        turns=[first, second],
        **{**hidden, "slots": dict.fromkeys(there, "[hidden]"), "hidden_slots": there, "hidden_words": ["1", "2"]},
    )
    here = {"hidden_slots": {"card": "changed"}, "hidden_words": ["1", "3"]}
    joined = await write_back(states, base.model_copy(update={"turns": [first, third], **here}), base)
    assert joined.slots == {"card": "[hidden]", "pin": "[hidden]"}
    assert joined.hidden_slots == {"card": "changed", "pin": "b"}
    assert joined.hidden_words == ["1", "2", "3"]
