"""Until when the words and keys of a caller are sensitive, by the state."""

from typing import Any

import pytest

from orchestrator.conversation.actions import Gather
from orchestrator.conversation.reply import Outcome, Reply
from orchestrator.conversation.sensitive import awaits_sensitive
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn, TurnKind

ASKED = Reply(text="Your card?", actions=[Gather(sensitive=True)])


def a_record(kind: TurnKind, outcome: Outcome = "replied", reply: Reply | None = None, **more: Any) -> TurnRecord:
    turn = Turn(turn_id="t", call_sid="CA1", kind=kind)
    return TurnRecord.of(turn, outcome, reply or Reply(text="Thanks.")).model_copy(update=more)


@pytest.mark.parametrize(
    ("since", "awaits"),
    [
        ([], True),
        ([a_record("silence")], True),
        ([a_record("signal"), a_record("timer")], True),
        ([a_record("silence", reply=Reply(actions=[Gather()]))], True),
        ([a_record("keys")], False),
        ([a_record("speech"), a_record("silence")], False),
        ([a_record("speech", "failed")], True),
        ([a_record("keys", "timed_out")], True),
        ([a_record("speech", "dropped")], True),
        ([a_record("speech", "interrupted", heard="")], True),
        ([a_record("speech", "interrupted", heard="Than")], False),
        ([a_record("keys", reply=ASKED)], True),
        ([a_record("keys"), a_record("silence", preceding=[ASKED])], True),
    ],
)
def test_it_is_until_words_have_come_and_were_answered(since: list[TurnRecord], awaits: bool) -> None:
    state = ConversationState(call_sid="CA1", turns=[a_record("started", reply=ASKED), *since])
    assert awaits_sensitive(state) is awaits


def test_nothing_is_awaited_that_nobody_asked_for() -> None:
    assert not awaits_sensitive(ConversationState(call_sid="CA1", turns=[a_record("started"), a_record("silence")]))
