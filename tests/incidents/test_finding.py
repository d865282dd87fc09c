"""What is wrong now: the worst first, in the doctor's sentences, with advice and the calls that notice it."""

import pytest

from orchestrator.health.report import SystemStatus, report
from orchestrator.incidents.finding import current_findings, with_times
from orchestrator.incidents.incident import Incident, Noticed, ProcessName
from orchestrator.sentence import split_advice

NOW = 1_000_000.0
WORKER = {"id": "w1", "role": "worker", "host": "h1", "pid": 7, "state": "running", "running": 1, "agent": "echo"}
CALL = Noticed("CA1", "t1", "run_again", 2000, NOW - 1)


def checks(**status):
    return report(SystemStatus(**{"redis_ok": True, "redis_message": "", "workers": 2, **status})).checks


def told(found) -> list[tuple[str, str]]:
    return [(it.id, it.finding.level) for it in found]


def test_when_all_is_well_there_is_no_finding() -> None:
    assert current_findings(checks(), [WORKER, {**WORKER, "id": "w2"}], [], NOW) == []


def test_the_worst_comes_first_and_the_calls_that_wait_notice_it() -> None:
    found = current_findings(checks(workers=0, dead_letters=2, oldest_wait_seconds=9), [], [], NOW, ["CA1", "CA2"])
    assert told(found) == [
        ("workers-problem", "problem"),
        ("queue-warning", "warning"),
        ("dead-letters-warning", "warning"),
    ]
    assert found[0].finding.advice == "Start one: python -m workers"
    assert (found[0].calls_count, found[0].sids) == (2, ("CA1", "CA2"))
    assert found[1].finding.message == "A turn has waited for 9 s."
    assert found[2].calls_count == 0


def test_what_the_doctor_says_of_workers_is_said_here() -> None:
    found = current_findings(
        checks(), [{**WORKER, "stuck_threads": 3}, {**WORKER, "id": "w2", "agent": "llm"}], [], NOW
    )
    assert [it.finding.message for it in found] == [
        "2 workers are alive and run 2 turns of the agent echo and llm.", "3 threads are blocked by an agent.",
    ]  # fmt: skip
    (alone,) = current_findings(checks(workers=1), [WORKER], [], NOW)
    assert (alone.finding.level, alone.finding.advice[:17]) == ("note", "With a second one")


def test_a_silent_process_is_named() -> None:
    found = current_findings(checks(), [WORKER, {**WORKER, "id": "w2", "state": "silent"}], [], NOW)
    assert ("silent-w2-warning", "warning") in told(found)


@pytest.mark.parametrize(
    ("incident", "level"),
    [
        (Incident("i", "worker_lost", NOW - 5, None, "said", ProcessName("w1"), (CALL,), 40, 2000), "warning"),
        (Incident("i", "ingress_lost", NOW - 5, None, "said"), "warning"),
        (Incident("i", "worker_frozen", NOW - 50, NOW - 5, "said"), "note"),
        (Incident("i", "redis_outage", NOW - 5000, NOW - 5, "said"), "note"),
        (Incident("i", "worker_unable", NOW - 5000, None, "said"), "warning"),
        (Incident("i", "worker_lost", NOW - 5000, None, "said"), None),
        (Incident("i", "worker_started", NOW - 5, None, "said"), None),
        (Incident("i", "worker_stopped", NOW - 5, None, "said"), None),
    ],
)
def test_a_recent_incident_is_a_finding(incident: Incident, level: str | None) -> None:
    found = current_findings(checks(), [WORKER, {**WORKER, "id": "w2"}], [incident], NOW)
    assert told(found) == ([(f"incident-{incident.kind}", level)] if level else [])
    if level:
        assert (found[0].since, found[0].calls_count) == (incident.at, incident.calls_count)


def test_each_finding_has_the_time_since_when_it_holds() -> None:
    found = current_findings(checks(workers=0), [], [Incident("i", "worker_lost", NOW - 5, None, "said")], NOW)
    assert {it.id: it.since for it in with_times(found, {"workers-problem": 7.0})} == {
        "workers-problem": 7.0, "incident-worker_lost": NOW - 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("No worker is alive. Start one: python -m workers", ("No worker is alive.", "Start one: python -m workers")),
        ("Redis does not answer within 2 s", ("Redis does not answer within 2 s.", "")),
        ("", ("", "")),
    ],
)
def test_a_message_is_a_fact_and_what_to_do(message: str, parts: tuple[str, str]) -> None:
    assert split_advice(message) == parts


def test_many_incidents_of_a_kind_are_one_finding_and_a_note_once_all_are_replaced() -> None:
    lost = [
        Incident(f"i{it}", "worker_lost", NOW - 10 * it, None, "said", ProcessName(f"lost-{it}"), (CALL,), 2, 5)
        for it in range(1, 6)
    ]
    both = [WORKER, {**WORKER, "id": "w2"}]
    begun = [Incident(f"s{it}", "worker_started", NOW - 10 * it + 2, None, "said") for it in range(1, 6)]
    (found,) = current_findings(checks(), both, [*lost, *begun[1:]], NOW)
    assert (found.id, found.finding.level, found.since) == ("incident-worker_lost", "warning", NOW - 50)
    assert found.finding.message == (
        "5 workers were lost in the last 10 minutes, the last time at 13:46:30 UTC: lost-1, lost-2, lost-3, …."
    )
    assert (found.calls_count, found.sids) == (10, ("CA1",))
    (replaced,) = current_findings(checks(), both, [*lost, *begun], NOW)
    assert replaced.finding.level == "note"
