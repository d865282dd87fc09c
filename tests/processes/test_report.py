"""How a process is, by what it reported last."""

from orchestrator.processes.report import (
    KEPT_SECONDS,
    MOST_PROCESSES,
    Gap,
    forgettable,
    process_of,
    processes_of,
)

NOW = 1_000_000.0


def state(seen: float, gap: Gap | None = None, **report: object) -> str | None:
    """The state of a process that was seen so many seconds ago."""
    process = process_of("w1", {"seen_at": NOW - seen, **report}, NOW, gap or Gap())
    return process and process["state"]


def test_a_process_is_silent_after_two_reports_that_did_not_come_and_then_lost() -> None:
    assert [state(seen) for seen in (0, 9, 9.1, 15, 15.1, KEPT_SECONDS, KEPT_SECONDS + 1)] == [
        "running", "running", "silent", "silent", "lost", "lost", None,
    ]  # fmt: skip
    assert [state(seen, draining=True) for seen in (0, 10, 20)] == ["draining", "silent", "lost"]


def test_a_time_in_which_redis_was_down_is_no_silence() -> None:
    outage = Gap(NOW - 60, NOW - 4)
    assert state(60, outage) == "running", "seen last when Redis went down"
    assert state(66, outage) == "silent"
    assert state(80, outage) == "lost", "it was so before"
    assert state(2, outage) == "running"
    assert state(20, Gap(NOW - 80, NOW - 30)) == "lost", "it reported after the outage"


def test_when_it_was_lost_is_when_it_had_been_silent_for_too_long() -> None:
    process = process_of("w1", {"seen_at": 100.0, "running": 4}, 200.0)
    assert process is not None
    assert (process["seen_at"], process["lost_at"]) == ("1970-01-01T00:01:40+00:00", "1970-01-01T00:01:55+00:00")
    assert process["running"] == 0, "its turns run elsewhere by now"


def test_who_has_ended_is_not_listed_and_the_list_has_an_end() -> None:
    reports = {f"w{number}": {"seen_at": NOW} for number in range(MOST_PROCESSES + 20)}
    assert len(processes_of({**reports, "gone": {"seen_at": NOW, "left_at": NOW}}, NOW)) == MOST_PROCESSES


def test_old_reports_are_forgotten_and_the_oldest_of_too_many() -> None:
    old = {"old": {"seen_at": NOW - KEPT_SECONDS - 1}, "odd": {"seen_at": "x"}, "new": {"seen_at": NOW}}
    assert sorted(forgettable(old, NOW)) == ["odd", "old"]
    many = {f"w{number}": {"seen_at": NOW - number / 10} for number in range(MOST_PROCESSES + 2)}
    assert sorted(forgettable(many, NOW)) == ["w500", "w501"]
