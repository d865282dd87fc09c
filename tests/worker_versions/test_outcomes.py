"""How the latest turns of a worker ended."""

import pytest

from orchestrator.worker_versions.outcomes import WINDOW, TurnOutcomes
from orchestrator.worker_versions.plan import Tally


def outcomes(*ends: str) -> TurnOutcomes:
    kept = TurnOutcomes()
    for end in ends:
        kept.ended(end)
    return kept


@pytest.mark.parametrize("end", ["failed", "timed_out", "process_lost", "dead_letter"])
def test_what_counts_as_a_failure(end: str) -> None:
    assert outcomes("replied", end).tally == Tally(2, 1)


@pytest.mark.parametrize("end", ["replied", "interrupted", "ended"])
def test_what_counts_as_an_answer(end: str) -> None:
    assert outcomes("failed", end).tally == Tally(2, 1)


@pytest.mark.parametrize("end", ["lost", "released", "merged"])
def test_a_run_whose_turn_is_run_again_counts_then(end: str) -> None:
    assert outcomes(end).tally == Tally()


def test_the_last_turns_count_and_all_are_counted() -> None:
    kept = outcomes(*["failed"] * 3, *["replied"] * WINDOW)
    assert kept.tally == Tally(WINDOW, 0)
    assert kept.status() == {"turns": WINDOW + 3, "seen": WINDOW, "failed": 0}


def test_each_turn_is_reported_once_and_none_from_before_the_ramp() -> None:
    kept = outcomes("failed", "replied", "failed")
    assert kept.after(0) == [True, False, True]
    assert kept.after(2) == [True]
    assert kept.after(3) == []
    assert kept.after(0, since=4e9) == []
