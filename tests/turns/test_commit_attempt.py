"""A commit that conflicts is repeated on top of the state that the store holds."""

from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.turns.commit_attempt import CommitAttempt


def record(turn_id: str, text: str) -> TurnRecord:
    turn = Turn(turn_id=turn_id, call_sid="CA1", kind="speech", text="hello")
    return TurnRecord.of(turn, "replied", Reply(text=text), epoch=1)


def state(version: int, *records: TurnRecord, **slots: str) -> ConversationState:
    return ConversationState(call_sid="CA1", version=version, slots=dict(slots), turns=list(records))


def test_it_writes_the_base_with_the_record_and_what_the_agent_changed() -> None:
    written = CommitAttempt(state(1, name="Ada"), state(1, name="Ada", day="Monday"), record("a", "Hi.")).state()
    assert written is not None
    assert [kept.turn_id for kept in written.turns] == ["a"]
    assert written.slots == {"name": "Ada", "day": "Monday"}


def test_on_top_of_another_state_only_what_the_agent_changed_is_changed() -> None:
    attempt = CommitAttempt(state(1, name="Ada"), state(1, name="Ada", day="Monday"), record("a", "Hi."))
    written = attempt.on_top_of(state(2, record("b", "Yes."), name="Grace")).state()
    assert written is not None
    assert [kept.turn_id for kept in written.turns] == ["b", "a"]
    assert written.slots == {"name": "Grace", "day": "Monday"}
    assert written.version == 2


def test_a_record_that_the_store_holds_already_is_kept() -> None:
    stored = state(2, record("a", "The answer of another worker."))
    attempt = CommitAttempt(state(1), None, record("a", "Hi.")).on_top_of(stored)
    assert attempt.record.reply.text == "The answer of another worker."
    assert attempt.state() == stored


def test_no_state_is_written_where_the_versions_are_equal_and_the_store_refuses() -> None:
    attempt = CommitAttempt(state(1), None, record("a", "Hi.")).on_top_of(state(1))
    assert attempt.state() is None
    assert attempt.record.reply.text == "Hi."


def test_a_turn_without_a_state_is_committed_on_the_state_that_appeared() -> None:
    written = CommitAttempt(None, None, record("a", "Hi.")).on_top_of(state(7)).state()
    assert written is not None
    assert (written.version, [kept.turn_id for kept in written.turns]) == (7, ["a"])


def test_a_hidden_slot_goes_with_its_encrypted_value() -> None:
    before = state(1, card="[hidden]", pin="[hidden]").model_copy(update={"hidden_slots": {"card": "a", "pin": "b"}})
    after = state(1, card="[hidden]").model_copy(update={"hidden_slots": {"card": "new"}})
    stored = before.model_copy(update={"version": 2, "hidden_slots": {"card": "a", "pin": "b", "other": "c"}})
    stored.slots = {**before.slots, "other": "[hidden]"}
    written = CommitAttempt(before, after, record("a", "Hi.")).on_top_of(stored).state()
    assert written is not None
    assert written.slots == {"card": "[hidden]", "other": "[hidden]"}
    assert written.hidden_slots == {"card": "new", "other": "c"}


def test_what_a_sensitive_turn_brought_is_added_to_what_is_known() -> None:
    brought = record("a", "Hi.")
    brought.brought = "new"
    stored = state(2).model_copy(update={"hidden_words": ["old"]})
    written = CommitAttempt(state(1), None, brought).on_top_of(stored).state()
    assert written is not None
    assert written.hidden_words == ["old", "new"]
