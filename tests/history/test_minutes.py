"""What a minute of the history holds, and what a step of it tells: pure functions."""

import json

import pytest

from orchestrator.history import counted
from orchestrator.history.amounts import MOST_NAMES, all_merged, amounts_of, merged, read_amounts
from orchestrator.history.percentiles import percentiles_ms
from orchestrator.history.points import point, sample_of
from orchestrator.process_metrics.catalog import counts_of
from orchestrator.process_metrics.changes import Changes

NOON = 1_764_244_800


def counted_by(*turns: tuple[str, dict[str, float]]) -> dict[str, float]:
    changes = Changes(counted.COUNTED)
    for outcome, timings in turns:
        counted.turn_committed(outcome, timings, begins=outcome == "replied", ends=False)
    return amounts_of(changes.take())


def test_a_turn_is_one_of_its_outcome_and_in_a_limit_of_each_stage_it_reached() -> None:
    amounts = counted_by(("replied", {"submitted": 1.0, "claimed": 3.0, "first_sent": 9.0}), ("failed", {}))
    assert amounts == {
        "turns.replied": 1, "turns.failed": 1, "calls.started": 1,
        "stage.submitted.0.001": 1, "stage.claimed.0.0033": 1,
    }  # fmt: skip


@pytest.mark.parametrize("seconds", [0.0004, 0.013, 0.25, 3.21, 59.0])
def test_a_percentile_is_wrong_by_a_fifth_at_most(seconds: float) -> None:
    changes = Changes(counted.COUNTED)
    for _ in range(100):
        counted.first_word_said(seconds)
    told = point(NOON, [amounts_of(changes.take())])["stages"]["first_word"]
    assert told["count"] == 100
    for percent in ("p50_ms", "p95_ms", "p99_ms"):
        assert told[percent] == pytest.approx(seconds * 1000, rel=0.21, abs=1)


def test_percentiles_lie_where_most_durations_are() -> None:
    assert percentiles_ms({0.1: 98, 1.0: 2}) == {
        "p50_ms": pytest.approx(91, abs=1), "p95_ms": pytest.approx(99.5, abs=1), "p99_ms": pytest.approx(910, abs=1),
    }  # fmt: skip
    assert percentiles_ms({}) == {"p50_ms": None, "p95_ms": None, "p99_ms": None}


def test_beyond_the_last_limit_the_last_limit_is_told() -> None:
    changes = Changes(counted.COUNTED)
    counted.turn_answered(500.0, is_unanswered=True)
    told = point(NOON, [amounts_of(changes.take())])
    assert told["stages"]["reply"]["p50_ms"] == counted.LIMITS[-1] * 1000
    assert told["unanswered"] == 1


def test_minutes_add_up_and_keep_the_worst_of_what_was_seen() -> None:
    first = sample_of(active=10, workers=3, queue_depth=0, oldest_wait_seconds=0.0, utilization=0.2)
    second = sample_of(active=4, workers=2, queue_depth=7, oldest_wait_seconds=1.5, utilization=0.6)
    told = point(NOON, [{**first, "turns.replied": 2}, {**second, "turns.replied": 3, "turns.timed_out": 1}])
    assert told["at"] == "2025-11-27T12:00:00Z"
    assert (told["turns"], told["outcomes"]) == (6, {"replied": 5, "timed_out": 1})
    assert (told["active"], told["workers"], told["queue_depth"]) == (10, 2, 7)
    assert (told["oldest_wait_seconds"], told["utilization"]) == (1.5, 0.4)


def test_of_a_minute_in_which_nobody_counted_nothing_is_said() -> None:
    told = point(NOON, [])
    assert [told[name] for name in ("turns", "calls_started", "fillers", "errors")] == [0, 0, 0, 0]
    assert [told[name] for name in ("active", "workers", "queue_depth", "oldest_wait_seconds", "utilization")] == [
        None
    ] * 5
    assert told["stages"]["reply"] == {"p50_ms": None, "p95_ms": None, "p99_ms": None, "count": 0}


def test_all_that_can_be_counted_fits_into_a_minute() -> None:
    stages, limits = len(counted.STAGES), len(counted.LIMITS) + 1
    assert stages * limits + 50 <= MOST_NAMES
    assert len(merged({}, {f"turns.{number}": 1 for number in range(2 * MOST_NAMES)})) == MOST_NAMES


def test_what_others_have_written_is_not_read() -> None:
    stored = {"turns.replied": 1, "b": True, "c": "2", "d": None, "e": [1], "f": {"g": 1}}
    assert read_amounts(json.dumps(stored)) == {"turns.replied": 1}
    huge = ('{"a": ' + "9" * 400 + "}", '{"a": 1e999}', "[" * 100_000, "{}" + " " * 100_000, "[1]", "x", b"\xff", None)
    assert [read_amounts(text) for text in huge] == [{}] * len(huge)


def test_names_of_stages_and_limits_that_are_unknown_harm_no_point() -> None:
    amounts = {"stage.reply.many": 3, "stage.": 1, "stage.other.0.1": 1, "stage.reply.-1": 2, "stage.reply.nan": 1,
               "stage.reply.0.11": 4, "other": 1}  # fmt: skip
    assert point(NOON, [amounts])["stages"]["reply"]["count"] == 4


def test_counts_of_the_process_are_not_touched_by_the_history() -> None:
    before = counts_of(counted.COUNTED)
    all_merged([amounts_of(before), amounts_of(before)])
    assert counts_of(counted.COUNTED) == before
