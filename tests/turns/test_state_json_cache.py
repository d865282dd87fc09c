"""The JSON of long conversations: what is assembled is what pydantic would have written."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.conversation.actions import HangUp, Play
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, EndRecord, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.turns.state_json_cache import SHORT_TURNS, StateJsonCache

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
SLOTS = st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(), st.none(), st.lists(TEXTS, max_size=2)), max_size=3)


def a_record(number: int, text: str = "hello", said: str = "good day") -> TurnRecord:
    turn = Turn(turn_id=f"t{number}", call_sid="CA1", kind="speech", text=text)
    return TurnRecord.of(turn, "replied", Reply(text=said, actions=[Play("https://a/b.mp3"), HangUp()]))


def a_state(turns: int, **fields: Any) -> ConversationState:
    return ConversationState(call_sid="CA1", turns=[a_record(n) for n in range(turns)], **fields)


def texts() -> StateJsonCache:
    return StateJsonCache(lambda call_sid, text: ConversationState.model_validate_json(text))


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


def test_what_was_written_is_not_parsed_again_and_anything_else_is() -> None:
    parsed: list[bytes] = []

    def parse(call_sid: str, text: bytes) -> ConversationState:
        parsed.append(text)
        return ConversationState.model_validate_json(text)

    written = StateJsonCache(parse)
    state = a_state(SHORT_TURNS + 1)
    text = written.write(state)
    assert written.read("CA1", text) is state
    assert parsed == []
    other = text.replace(b'"version":0', b'"version":7')
    assert written.read("CA1", other).version == 7
    assert parsed == [other]


def test_it_keeps_no_more_than_its_bound(monkeypatch: Any) -> None:
    monkeypatch.setattr("orchestrator.turns.state_json_cache.MOST_BYTES", 50_000)
    written = texts()
    for number in range(100):
        written.write(a_state(20).model_copy(update={"call_sid": f"CA{number}"}))
    assert written._bytes <= 50_000
    assert written._bytes == sum(len(known.text) for known in written._known.values())


def test_a_call_that_has_ended_is_not_kept() -> None:
    written = texts()
    state = a_state(20)
    written.write(state)
    written.write(state.model_copy(update={"ended": EndRecord(status="completed")}))
    assert not written._known
