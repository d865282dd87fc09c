"""What an older process makes of what a newer one, or somebody by hand, has written."""

import logging

import pytest
from pydantic import BaseModel, ValidationError

from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState, EndRecord, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import UnreadableState
from orchestrator.state.reading import read_state
from orchestrator.turns.dead_letter import DeadLetter

NEWER = (
    '{"version":4,"call_sid":"CA1","status":"paused","channel":"fax","turns":[{"turn_id":"t1","kind":"wink",'
    '"received_at":"2026-01-01T00:00:00Z","outcome":"postponed"}],"ended":{"status":"moved"}}'
)


def test_values_that_this_version_does_not_know_are_kept() -> None:
    state = read_state("CA1", NEWER)
    again = read_state("CA1", state.model_dump_json())
    assert again == state
    values = (
        again.status,
        again.channel,
        again.turns[0].kind,
        again.turns[0].outcome,
        again.ended and again.ended.status,
    )
    assert values == ("paused", "fax", "wink", "postponed", "moved")


@pytest.mark.parametrize(
    "text", ["my secret", '{"call_sid":"CA1","turns":"my secret"}', '{"turns":[{"text":"my secret"}]}']
)
def test_an_unreadable_state_is_told_without_its_words(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(UnreadableState) as caught:
        read_state("CA1", text)
    assert "secret" not in str(caught.value) + caplog.text
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("model", [ConversationState, TurnRecord, EndRecord, Turn, TurnResult, DeadLetter])
def test_no_error_of_a_domain_type_holds_what_was_said(model: type[BaseModel]) -> None:
    for text in ('{"text":"my secret","turn":"my secret"}', '"my secret"', "my secret"):
        with pytest.raises(ValidationError) as caught:
            model.model_validate_json(text)
        assert "secret" not in str(caught.value)
