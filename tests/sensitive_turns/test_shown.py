"""A state is shown without what is encrypted in it."""

from orchestrator.conversation.actions import SendMessage
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.sensitive_turns.shown import has_sealed, shown_state


def state() -> ConversationState:
    sealed = Reply(
        text="You said [hidden].",
        actions=[SendMessage(text="[hidden]", to="+15550001111", sealed_words="sealed3")],
        sealed_words="sealed1",
    )
    turn = Turn(turn_id="t1", call_sid="CA1", kind="speech", text="[hidden]", sensitive=True)
    record = TurnRecord.of(turn, "replied", sealed)
    record.preceding = [Reply(text="[hidden]", sealed_words="sealed2")]
    return ConversationState(
        call_sid="CA1", turns=[record], slots={"card": "[hidden]", "own": {"sealed_words": "mine"}},
        hidden_slots={"card": "sealed4"}, hidden_words=["sealed5"],
    )  # fmt: skip


def test_nothing_encrypted_is_shown_and_all_else_is():
    shown = shown_state(state())
    assert "sealed1" in state().model_dump_json()
    assert not [number for number in range(1, 6) if f"sealed{number}" in str(shown)]
    assert shown["turns"][0]["reply"]["text"] == "You said [hidden]."
    assert shown["turns"][0]["sensitive"] is True
    assert shown["slots"] == {"card": "[hidden]", "own": {"sealed_words": "mine"}}
    assert ConversationState.model_validate(shown).turns[0].reply.actions[0].to == "+15550001111"


def test_a_call_without_sensitive_turns_is_shown_as_it_is():
    plain = ConversationState(call_sid="CA1")
    assert has_sealed(state())
    assert not has_sealed(plain)
    assert shown_state(plain) == plain.model_dump(mode="json")
