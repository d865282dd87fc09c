"""The states of versions, as docs/deployment.md defines them."""

import pytest

from orchestrator.worker_versions.overview import PinnedCalls, overview_of, running_versions, state_of
from orchestrator.worker_versions.plan import RolloutPlan

NO_PLAN = RolloutPlan()
PLAN = RolloutPlan(1, "a", "b", 20, used=("b", "a", "old"))


@pytest.mark.parametrize(
    ("version", "plan", "is_running", "calls", "state"),
    [
        ("a", PLAN, True, 3, "current"),
        ("a", PLAN, False, 0, "current"),  # it still is, and a concern says that nobody runs it
        ("b", PLAN, True, 0, "ramping"),
        ("c", PLAN, True, 0, "inactive"),
        ("c", PLAN, True, 1, "draining"),
        ("old", PLAN, True, 1, "draining"),
        ("old", PLAN, True, 0, "drained"),
        ("gone", PLAN, False, 1, "draining"),
        ("c", NO_PLAN, True, 0, "current"),
        ("c", NO_PLAN, True, 9, "current"),
        ("gone", NO_PLAN, False, 9, "draining"),
        ("gone", NO_PLAN, False, 0, "drained"),
    ],
)
def test_the_state_of_a_version(version, plan, is_running, calls, state) -> None:
    assert state_of(version, plan, is_running=is_running, calls=calls) == state


def test_versions_that_get_new_calls_come_first_and_lost_workers_are_not_counted() -> None:
    workers = [
        {"version": "c"}, {"version": "b"}, {"version": "a", "draining": True}, {"version": "a"},
        {"version": "b", "lost": True}, {},
    ]  # fmt: skip
    overview = overview_of(PLAN, workers, PinnedCalls({"a": 1, "x": 2, "": 7}))
    assert [(it.version, it.state, it.workers, it.leaving, it.calls, it.share) for it in overview.versions] == [
        ("a", "current", 1, 1, 1, 80), ("b", "ramping", 1, 0, 0, 20), ("x", "draining", 0, 0, 2, 0),
        ("c", "inactive", 1, 0, 0, 0), ("old", "drained", 0, 0, 0, 0),
    ]  # fmt: skip
    assert running_versions(workers) == {"a", "b", "c"}


def test_what_older_workers_report_of_their_turns_is_nothing() -> None:
    (version,) = overview_of(NO_PLAN, [{"version": "a", "outcomes": [1]}, {"version": "a"}], PinnedCalls({})).versions
    assert (version.workers, version.turns, version.tally.seen) == (2, 0, 0)
