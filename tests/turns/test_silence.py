"""How long a call may be silent is reckoned from its latest turns as if it were from all that is said of it."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.conversation.absence import leaving_of, left_by
from orchestrator.conversation.actions import LEAVING_ACTIONS, Gather, HangUp, Play, Record, Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.sensitive import open_sensitive_question
from orchestrator.conversation.silence import (
    LAST_CHANCE_SECONDS,
    LISTENING_SECONDS,
    LONGEST_CALL_SECONDS,
    SPARE_SECONDS,
    seconds_open,
    seconds_quiet,
    seconds_silent,
)
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import UNPROMPTED_KINDS
from orchestrator.testing.example_turns import a_turn

ACTIONS = st.one_of(
    st.builds(Gather, timeout_seconds=st.integers(1, 60), sensitive=st.booleans()),
    st.builds(Record, max_seconds=st.integers(1, 600)),
    st.just(Play(url="https://example.com/a.mp3")),
    st.just(Transfer("+15551230000")),
    st.just(HangUp()),
)
REPLIES = st.builds(Reply, text=st.text(max_size=40), actions=st.lists(ACTIONS, max_size=3))
RECORDS = st.builds(
    lambda kind, outcome, reply, preceding: TurnRecord.of(a_turn("t", kind=kind), outcome, reply).model_copy(
        update={"preceding": preceding}
    ),
    st.sampled_from(["started", "speech", "keys", "silence", "signal", "timer", "activity"]),
    st.sampled_from(["replied", "failed", "interrupted", "dropped"]),
    REPLIES,
    st.lists(REPLIES, max_size=2),
)
STATES = st.builds(
    lambda channel, turns: ConversationState(call_sid="CA1", channel=channel, turns=turns),
    st.sampled_from(["gather", "relay"]),
    st.lists(RECORDS, max_size=5),
)


def heard_with(record: TurnRecord) -> list[Reply]:
    return [*record.preceding, record.reply]


def seconds_of(reply: Reply) -> float:
    if any(isinstance(action, Play | Transfer) for action in reply.actions):
        return LONGEST_CALL_SECONDS
    recorded = max((action.max_seconds for action in reply.actions if isinstance(action, Record)), default=0)
    waits = [action.timeout_seconds for action in reply.actions if isinstance(action, Gather)]
    return recorded + len(reply.text) / 10 + (waits or [Gather().timeout_seconds])[-1]


@given(STATES)
def test_the_longest_reply_since_the_caller_was_heard_of_counts(state: ConversationState) -> None:
    prompted = [place for place, record in enumerate(state.turns) if record.kind not in UNPROMPTED_KINDS]
    latest = state.turns[prompted[-1] :] if prompted else list(state.turns)
    if (left := left_by(state)) is not None:
        latest.append(left)
    longest = max((seconds_of(reply) for record in latest for reply in heard_with(record)), default=0.0)
    assert seconds_silent(state) == longest + LISTENING_SECONDS
    quiet = seconds_quiet(state)
    spare = LAST_CHANCE_SECONDS if quiet or longest + LISTENING_SECONDS >= LONGEST_CALL_SECONDS else SPARE_SECONDS
    assert seconds_open(state) == max(longest + LISTENING_SECONDS - quiet, 0.0) + spare


@given(RECORDS)
def test_a_reply_leaves_by_the_first_action_that_does(record: TurnRecord) -> None:
    leaving = [it for reply in heard_with(record) for it in reply.actions if isinstance(it, LEAVING_ACTIONS)]
    assert leaving_of(record) is (leaving[0] if leaving else None)


@given(st.lists(RECORDS, max_size=5))
def test_the_last_sensitive_question_is_open_until_words_are_answered(turns: list[TurnRecord]) -> None:
    expected = None
    for record in turns:
        if record.kind in ("speech", "keys"):
            said = bool(record.heard_text.strip())
            if record.outcome == "replied" or (record.outcome == "interrupted" and said):
                expected = None
        for reply in heard_with(record):
            asked = [it for it in reply.actions if isinstance(it, Gather) and it.sensitive]
            expected = asked[-1] if asked else expected
    assert open_sensitive_question(turns) is expected
