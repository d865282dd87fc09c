"""How long the latest turns took, and which turns wait."""

from datetime import UTC, datetime, timedelta

from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from web.live.call_row import row_of
from web.live.turn_durations import LatestTurns, percentile, waiting


def record(seconds: float, at: int = 0, **fields) -> TurnRecord:
    began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=at)
    turn = Turn(turn_id=f"t{at}", call_sid="c", kind="speech", text="hi", received_at=began)
    made = TurnRecord.of(turn, "replied", Reply(text=""))
    return made.model_copy(update={"committed_at": began + timedelta(seconds=seconds), **fields})


def test_the_latest_turns_are_timed_from_their_arrival_to_their_commit():
    states = [ConversationState(call_sid=f"c{n}", turns=[record(n + 1, at=n)]) for n in range(100)]
    latest = LatestTurns()
    latest.add(reversed(states))
    stats = latest.stats()
    assert [turn["seconds"] for turn in stats["latest"]] == [float(n) for n in range(41, 101)]
    assert (stats["p50"], stats["p95"]) == (70.0, 97.0)


def test_a_call_that_goes_on_adds_its_new_turns_alone():
    latest, state = LatestTurns(), ConversationState(call_sid="c", turns=[record(n + 1, at=n) for n in range(3)])
    for count in (2, 3, 3):
        latest.add([state.model_copy(update={"turns": state.turns[:count]})])
        assert [turn["seconds"] for turn in latest.stats()["latest"]] == [1.0, 2.0, 3.0][:count]


def test_clocks_that_differ_between_machines_give_no_negative_time():
    latest = LatestTurns()
    latest.add([ConversationState(call_sid="c", turns=[record(-3)])])
    assert latest.stats()["p50"] == 0.0


def test_a_turn_whose_words_go_out_as_they_are_said_is_timed_to_its_first_word():
    latest, spoken = LatestTurns(), record(9)
    spoken.first_word_at = spoken.received_at + timedelta(seconds=0.25)
    latest.add([ConversationState(call_sid="c", turns=[spoken])])
    assert latest.stats()["p50"] == 0.25


def test_who_has_heard_a_word_does_not_wait():
    turns = [{"since": 10.0, "said": ""}, {"since": 2.0, "said": "Well"}, {"since": 1.0, "kind": "ended"}]
    assert waiting(turns, 15.0) == {"count": 1, "seconds": 5.0}
    assert waiting([], 15.0) == {"count": 0, "seconds": None}


def test_percentiles_are_values_that_occurred():
    assert percentile([], 50) is None
    assert percentile([3.0], 95) == 3.0
    assert [percentile([1.0, 2.0, 3.0, 4.0], percent) for percent in (50, 75, 100)] == [2.0, 3.0, 4.0]


def test_a_long_last_word_is_cut_and_unheard_text_is_not_shown_as_said():
    told = record(1, reply=Reply(text="x" * 500), heard="x" * 300)
    last = row_of(ConversationState(call_sid="c", turns=[told]))["last"]
    assert (last["by"], len(last["text"])) == ("agent", 160)
