"""What an operator may change of a rollout plan, and the sentence that says why not."""

import pytest

from orchestrator.errors import BadRollout
from orchestrator.worker_versions.changes import cleared, percent_in, promoted, ramped, rolled_back, told
from orchestrator.worker_versions.plan import AutomaticRollback, RolloutPlan, Tally, plan_of

NONE = RolloutPlan()
RAMPING = RolloutPlan(revision=3, current="a", ramping="b", percent=5, used=("b", "a"))


def plan(**fields: object) -> dict[str, object]:
    """The fields that scripts read."""
    return {"current": "", "ramping": "", "percent": 0.0, **fields}


def read_by_scripts(given: RolloutPlan) -> dict[str, object]:
    return {"current": given.current, "ramping": given.ramping, "percent": given.percent}


@pytest.mark.parametrize(
    ("text", "percent"),
    [("5%", 5), ("5", 5), ("0.5%", 0.5), ("100", 100), (" 12.25 % ", 12.25), ("0.01", 0.01)],
)
def test_a_percentage_may_have_a_sign_and_two_decimals(text: str, percent: float) -> None:
    assert percent_in(text) == percent


@pytest.mark.parametrize(
    "text",
    ["", "%", "0", "0%", "-5", "101", "100.01", "5%%", "five", "1e1", "nan", "inf", "٥", "0.001", "1_0", "9" * 99],
)
def test_anything_else_is_no_percentage(text: str) -> None:
    with pytest.raises(BadRollout, match="is no percentage: say a number above 0 and at most 100"):
        percent_in(text)


def test_the_first_ramp_leaves_the_other_calls_to_the_only_other_version() -> None:
    after = ramped(NONE, "b", 5, {"a", "b"})
    assert read_by_scripts(after) == plan(current="a", ramping="b", percent=5)
    assert (after.revision, after.used) == (1, ("b", "a"))


def test_a_ramp_can_be_widened_and_another_version_can_take_its_place() -> None:
    assert read_by_scripts(ramped(RAMPING, "b", 50, {"a", "b"})) == plan(current="a", ramping="b", percent=50)
    assert read_by_scripts(ramped(RAMPING, "c", 1, {"a", "b", "c"})) == plan(current="a", ramping="c", percent=1)


def test_a_ramp_goes_on_while_nobody_runs_the_current_version() -> None:
    assert ramped(RAMPING, "b", 50, {"b"}).current == "a"


@pytest.mark.parametrize(
    ("before", "version", "running", "sentence"),
    [
        (NONE, "c", {"a", "b"}, "No worker runs c. These run: a, b. Start workers with WORKER_VERSION=c first."),
        (NONE, "c", {"a"}, "No worker runs c. Only a runs. Start workers with WORKER_VERSION=c first."),
        (NONE, "c", set(), "No worker runs c. No worker is alive. Start workers with WORKER_VERSION=c first."),
        (NONE, "b", {"b"}, "No worker runs another version than b, so nobody would get the other calls."),
        (NONE, "c", {"a", "b", "c"}, "a and b run beside c, so say first which of them gets the other calls"),
        (RAMPING, "a", {"a", "b"}, "a is the current version, so it gets the new calls already."),
        (NONE, "a b", {"a"}, "'a b' cannot be a version: it must have 1 to 64 characters"),
        (NONE, "{x}", {"a"}, "'{x}' cannot be a version"),
        (NONE, "", {"a"}, "'' cannot be a version"),
        (NONE, "x" * 9999, {"a"}, "…' cannot be a version"),
    ],
)
def test_a_ramp_that_makes_no_sense_is_refused(before, version, running, sentence) -> None:
    with pytest.raises(BadRollout) as refused:
        ramped(before, version, 5, running)
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 300


def test_a_promotion_ends_the_ramp_and_remembers_what_was_current() -> None:
    for after in (promoted(RAMPING, "b", {"a", "b"}), promoted(RAMPING, "", {"a", "b"})):
        assert read_by_scripts(after) == plan(current="b")
        assert (after.revision, after.previous) == (4, "a")


def test_a_version_that_does_not_ramp_can_be_promoted() -> None:
    assert read_by_scripts(promoted(NONE, "b", {"a", "b"})) == plan(current="b")
    assert promoted(RAMPING, "a", {"a", "b"}) == RolloutPlan(4, "a", used=("a", "b")), "the ramp is over"


@pytest.mark.parametrize(
    ("before", "version", "sentence"),
    [
        (NONE, "", "No version is ramping, so say which one to promote: voiceagent rollout promote VERSION"),
        (RolloutPlan(1, "a"), "a", "a is the current version already."),
        (RAMPING, "c", "No worker runs c. These run: a, b."),
    ],
)
def test_a_promotion_that_makes_no_sense_is_refused(before, version, sentence) -> None:
    with pytest.raises(BadRollout) as refused:
        promoted(before, version, {"a", "b"})
    assert sentence in str(refused.value)


def test_a_roll_back_ends_the_ramp_and_else_undoes_the_promotion_once() -> None:
    ended = rolled_back(RAMPING, {"a"})
    assert read_by_scripts(ended) == plan(current="a")
    assert ended.used == ("a", "b")
    promotion = promoted(RAMPING, "b", {"a", "b"})
    undone = rolled_back(promotion, {"a", "b"})
    assert (undone.current, undone.previous) == ("a", "")
    with pytest.raises(BadRollout, match="There is nothing to roll back"):
        rolled_back(undone, {"a", "b"})


def test_said_twice_a_roll_back_of_a_ramp_does_not_undo_the_promotion_before_it() -> None:
    promotion = promoted(RAMPING, "b", {"a", "b"})
    ended = rolled_back(ramped(promotion, "c", 5, {"b", "c"}), {"a", "b"})
    assert ended.current == "b"
    with pytest.raises(BadRollout, match="There is nothing to roll back"):
        rolled_back(ended, {"a", "b", "c"})


def test_a_roll_back_to_a_version_that_nobody_runs_is_refused() -> None:
    with pytest.raises(BadRollout, match=r"No worker runs a\. Only b runs\."):
        rolled_back(RolloutPlan(4, "b", previous="a"), {"b"})


def test_after_the_workers_have_rolled_back_the_command_says_so() -> None:
    undone = RolloutPlan(4, "a", rollback=AutomaticRollback("b", Tally(20, 9), Tally(50, 1)))
    with pytest.raises(BadRollout, match=r"The workers have rolled b back themselves\."):
        rolled_back(undone, {"a", "b"})
    assert ramped(undone, "b", 5, {"a", "b"}).rollback is None, "a person has decided again"
    assert promoted(undone, "a", {"a", "b"}) == RolloutPlan(5, "a", used=("a",)), "or knows of it"


def test_a_plan_can_be_cleared_once() -> None:
    after = cleared(RAMPING)
    assert read_by_scripts(after) == plan()
    assert after.revision == 4
    with pytest.raises(BadRollout, match="There is no rollout plan"):
        cleared(after)


def test_where_new_calls_begin_is_told_in_a_sentence() -> None:
    assert told(RAMPING) == "5 % of the new calls begin at b, the others at a."
    assert told(RolloutPlan(1, "a")) == "New calls begin at a."
    assert told(NONE) == "New calls begin at any version: there is no rollout plan."


def test_a_plan_survives_being_stored() -> None:
    stored = RolloutPlan(
        7, "a", "", 0.25, "z", 12.5, ("b", "a"), AutomaticRollback("b", Tally(20, 9), Tally(50, 1)), 99.125, "me"
    )
    assert plan_of(stored.fields() | {"revision": "7", "change": "me"}) == stored


def test_what_cannot_be_read_of_a_stored_plan_counts_as_not_set() -> None:
    damaged = {"revision": "x", "percent": "much", "ramp_began": "nan", "rolled_back": "b", "current_turns": "1"}
    assert plan_of(damaged) == RolloutPlan(rollback=AutomaticRollback("b", Tally(), Tally(1, 0)))
    assert plan_of({"revision": "9", "percent": "900"}).percent == 100
    names = dict.fromkeys(("current", "ramping", "previous", "rolled_back", "used"), "\x1b[31m{a}")
    assert plan_of(names) == RolloutPlan()
