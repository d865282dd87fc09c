"""Copies of models are what pydantic's own copies are."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.conversation.copies import changed
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState
from orchestrator.testing.example_turns import a_turn

VALUES = st.one_of(st.text(max_size=9), st.integers(), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2))


@given(slots=st.dictionaries(st.text(max_size=3), VALUES, max_size=3), unknown=VALUES, phase=st.text(max_size=9))
def test_a_copy_is_the_one_that_pydantic_makes(slots: dict[str, object], unknown: object, phase: str) -> None:
    state = ConversationState(call_sid="CA1", slots=slots, **{"x-new": unknown})
    for fields in ({}, {"phase": phase}, {"version": 3, "slots": {}, "hidden_slots": {"a": "b"}}):
        copy, pydantics = changed(state, **fields), state.model_copy(update=fields)
        assert copy == pydantics
        assert copy.model_fields_set == pydantics.model_fields_set
        assert copy.model_dump_json() == pydantics.model_dump_json()


def test_a_copy_is_changed_alone() -> None:
    state = ConversationState(call_sid="CA1", **{"x-new": 1})
    copy = changed(state, version=2)
    copy.phase, copy.other = "b", 2
    assert (state.phase, state.version, state.model_extra) == ("", 0, {"x-new": 1})
    assert state.model_fields_set == {"call_sid", "x-new"}
    assert copy.model_extra == {"x-new": 1, "other": 2}


def test_models_of_every_kind_are_copied() -> None:
    turn = a_turn("t1")
    assert changed(turn, text="hej") == turn.model_copy(update={"text": "hej"})
    assert changed(Reply(text="a"), text="b") == Reply(text="b")
