"""Timings as values: how they are computed, and how they are kept in what is stored."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.timings import milliseconds_since, stage_seconds, timings_of, with_late
from orchestrator.conversation.turn import Turn
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.outcome import note_late_timings
from orchestrator.turns.state_json_cache import SHORT_TURNS, StateJsonCache

RECEIVED = 1_000.0


def test_stages_never_decrease_and_are_never_negative() -> None:
    moments = [("claimed", RECEIVED - 5), ("first_token", RECEIVED + 0.2), ("finished", RECEIVED + 0.1)]
    timings = timings_of(RECEIVED, 3.0, *moments, ("committed", RECEIVED + 0.20004))
    assert timings == {"submitted": 3.0, "claimed": 3.0, "first_token": 200.0, "finished": 200.0, "committed": 200.0}
    assert timings_of(RECEIVED, None, ("claimed", RECEIVED - 5), ("finished", None)) == {"claimed": 0.0}


def test_milliseconds_are_rounded_to_tenths() -> None:
    assert [milliseconds_since(0.0, at) for at in (0.01234, 0.01235, 1.0, -1.0)] == [12.3, 12.4, 1000.0, 0.0]


def test_stages_take_as_long_as_lies_between_their_ends() -> None:
    timings = {"submitted": 1.0, "claimed": 3.0, "first_token": 7.0, "finished": 15.0, "committed": 31.0}
    assert {stage: round(seconds * 1000) for stage, seconds in stage_seconds(timings, 63.0).items()} == {
        "submit": 1, "queue": 2, "first_token": 4, "agent": 12, "commit": 16, "answer": 32,
    }  # fmt: skip
    assert stage_seconds({"submitted": 1.0, "claimed": 3.0, "committed": 4.0}, 2.0) == {
        "submit": 0.001, "queue": 0.002, "commit": 0.001, "answer": 0.0,
    }  # fmt: skip
    assert stage_seconds({}, 5.0) == {}


def test_what_is_known_stays() -> None:
    assert with_late({"claimed": 1.0}, {"claimed": 2.0, "first_sent": 3.0}) == {"claimed": 1.0, "first_sent": 3.0}


def a_record(number: int) -> TurnRecord:
    return TurnRecord.of(a_turn(f"t{number}"), "replied", Reply(text="yes"))


def test_a_record_that_gets_late_timings_is_written_anew() -> None:
    written = StateJsonCache(lambda call_sid, text: ConversationState.model_validate_json(text))
    state = ConversationState(call_sid="CA1", turns=[a_record(number) for number in range(SHORT_TURNS + 2)])
    written.write(state)
    changed = note_late_timings(state, {"t3": {"first_sent": 1.5}})
    assert (state.turns[3].timings, changed.turns[3].timings) == ({}, {"first_sent": 1.5})
    assert written.write(changed) == changed.model_dump_json().encode()
    assert note_late_timings(changed, {"t3": {"first_sent": 2.5}, "t99": {}}) is changed


class OlderRecord(BaseModel):
    """A record as a version without timings knows it."""

    model_config = ConfigDict(extra="allow")
    turn_id: str


class OlderState(BaseModel):
    """A state as a version without timings knows it."""

    model_config = ConfigDict(extra="allow")
    call_sid: str
    turns: list[OlderRecord]


def test_an_older_version_keeps_timings_and_a_newer_one_reads_states_without() -> None:
    record = a_record(1)
    without = ConversationState(call_sid="CA1", turns=[record]).model_dump_json()
    assert "timings" not in without
    assert ConversationState.model_validate_json(without).turns[0].timings == {}
    record.timings.update(claimed=1.5)
    state = ConversationState(call_sid="CA1", turns=[record])
    kept = OlderState.model_validate_json(state.model_dump_json()).model_dump_json()
    assert ConversationState.model_validate_json(kept).turns[0].timings == {"claimed": 1.5}
    assert "timings" not in TurnResult(call_sid="CA1", turn_id="t1", outcome="dropped").model_dump_json()


def test_only_the_inbox_says_when_a_turn_was_submitted() -> None:
    turn = Turn(turn_id="t1", call_sid="CA1", kind="speech", received_at=datetime.fromtimestamp(RECEIVED, UTC))
    at = RECEIVED + 0.0015
    assert Turn.model_validate_json(turn.submitted_json_at(at)) == turn.submitted_at(at)
    assert turn.submitted_at(at).submitted_ms == 1.5
    again = Turn.model_validate_json(turn.submitted_at(at).submitted_json_at(at + 1))
    assert again.submitted_ms == 1001.5
    assert "submitted" not in turn.submitted_at(at).model_dump_json()


def test_a_replay_has_its_own_timings() -> None:
    turn = a_turn("t1").submitted_at(RECEIVED).model_copy(update={"late_timings": {"t0": {"first_sent": 1.0}}})
    replay = DeadLetter(turn=turn, attempts=3, reason="it failed").replay()
    assert replay.late_timings == {}
    assert replay.received_at > turn.received_at
