"""The JSON of conversations: what is assembled is what pydantic would have written."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.conversation.actions import HangUp, Play
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, EndRecord, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.turns.state_json_cache import LONG_TURNS, SHORT_TURNS, StateJsonCache

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
SLOTS = st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(), st.none(), st.lists(TEXTS, max_size=2)), max_size=3)


def a_record(number: int, text: str = "hello", said: str = "good day") -> TurnRecord:
    turn = Turn(turn_id=f"t{number}", call_sid="CA1", kind="speech", text=text)
    return TurnRecord.of(turn, "replied", Reply(text=said, actions=[Play("https://a/b.mp3"), HangUp()]))


def a_state(turns: int, **fields: Any) -> ConversationState:
    return ConversationState(call_sid="CA1", turns=[a_record(n) for n in range(turns)], **fields)


def texts() -> StateJsonCache:
    return StateJsonCache(lambda call_sid, text: ConversationState.model_validate_json(text))


class Parsed(list[bytes]):
    """The texts that a cache did not have, and so has parsed."""

    def parse(self, call_sid: str, text: bytes) -> ConversationState:
        self.append(text)
        return ConversationState.model_validate_json(text)


@settings(max_examples=60)
@given(count=st.integers(0, 30), said=TEXTS, slots=SLOTS, phase=TEXTS, unknown=SLOTS)
def test_it_writes_what_pydantic_would_write(
    count: int, said: str, slots: dict[str, Any], phase: str, unknown: dict[str, Any]
) -> None:
    written = texts()
    extra = {f"x-{name}": value for name, value in unknown.items()}
    state = a_state(count, slots=slots, phase=phase, **extra)
    for number in range(count, count + 3):
        record = a_record(number, said, said)
        state = state.model_copy(update={"turns": [*state.turns, record], "version": state.version + 1})
        assert written.write(state) == state.model_dump_json().encode()


def test_a_record_that_was_replaced_is_written_anew() -> None:
    written = texts()
    state = a_state(20)
    written.write(state)
    heard = state.turns[3].model_copy(update={"heard": "good"})
    changed = state.model_copy(update={"turns": [*state.turns[:3], heard, *state.turns[4:]]})
    assert written.write(changed) == changed.model_dump_json().encode()


@pytest.mark.parametrize("turns", [0, SHORT_TURNS, SHORT_TURNS + 1, LONG_TURNS + 1])
def test_what_was_written_is_not_parsed_again_and_anything_else_is(turns: int) -> None:
    parsed = Parsed()
    written = StateJsonCache(parsed.parse)
    state = a_state(turns)
    text = written.write(state)
    assert written.read("CA1", text) is state
    assert parsed == []
    other = text.replace(b'"version":0', b'"version":7')
    assert written.read("CA1", other).version == 7
    assert parsed == [other]


def test_it_keeps_the_latest_up_to_its_bound() -> None:
    parsed = Parsed()
    written = StateJsonCache(parsed.parse, max_bytes=50_000)
    for _ in range(3):  # a call that is written again counts once
        made = [written.write(a_state(20).model_copy(update={"call_sid": f"CA{number}"})) for number in range(100)]
    for number, text in enumerate(made):
        written.read(f"CA{number}", text)
    kept = made[len(parsed) :]
    assert parsed == made[: len(parsed)]
    assert 50_000 - max(map(len, made)) < sum(map(len, kept)) <= 50_000


def test_it_keeps_the_latest_up_to_a_number() -> None:
    parsed = Parsed()
    written = StateJsonCache(parsed.parse, most_states=3)
    made = [written.write(a_state(1).model_copy(update={"call_sid": f"CA{number}"})) for number in range(5)]
    for number, text in enumerate(made):
        written.read(f"CA{number}", text)
    assert parsed == made[:2]


def test_a_call_that_grows_counts_once() -> None:
    parsed = Parsed()
    written = StateJsonCache(parsed.parse, max_bytes=50_000)
    for count in range(9, 40):
        text = written.write(a_state(count))
    written.read("CA1", text)
    assert parsed == []


def test_a_call_that_has_ended_is_not_kept() -> None:
    parsed = Parsed()
    written = StateJsonCache(parsed.parse)
    state = a_state(20)
    texts = [written.write(each) for each in (state, state.model_copy(update={"ended": EndRecord(status="completed")}))]
    for text in texts:
        written.read("CA1", text)
    assert parsed == texts
