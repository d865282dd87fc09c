"""Which faults come, who noticed them, and what is said of a run."""

from collections import Counter
from random import Random

import pytest

from orchestrator.chaos.faults import KINDS, LONGEST_FREEZE_SECONDS, Fault, Victim, plan
from orchestrator.chaos.judgement import Judgement
from orchestrator.chaos.noticing import Waits, attribute, waits_of
from orchestrator.load.audit import Findings
from orchestrator.load.results import CallNote, CallResults, TurnNote
from orchestrator.load.summary import Summary

VICTIM = Victim("0123456789abcdef", "worker", "here", 4711)
CALM = Waits([0.1] * 20, [])


def test_the_same_seed_brings_the_same_faults() -> None:
    def planned(seed: int) -> list[object]:
        return list(plan(Random(seed), KINDS, seconds=600, every=2))

    assert planned(7) == planned(7) != planned(8)


def test_faults_come_as_often_and_are_of_the_kinds_that_were_asked_for() -> None:
    planned = list(plan(Random(1), ["kill", "freeze"], seconds=600, every=2))
    assert {fault.kind for fault in planned} == {"kill", "freeze"}
    assert 200 < len(planned) < 400
    assert sum(fault.after for fault in planned) <= 600
    assert all(0 < fault.seconds <= LONGEST_FREEZE_SECONDS and 0 <= fault.whom < 1 for fault in planned)


def call(sid: str, *turns: TurnNote) -> CallNote:
    return CallNote(sid, list(turns))


def turn(began: float, waited: float) -> TurnNote:
    return TurnNote("words", waited, waited, began=began)


def test_a_wait_that_is_much_longer_than_usual_is_of_the_fault_that_lay_over_it_longest() -> None:
    brief, long = Fault("cut", 100, until=100), Fault("kill", 102, VICTIM, until=110)
    calls = [call("CA1", turn(101, 0.2), turn(101, 6.0)), call("CA2", turn(99, 2.5)), call("CA3", turn(300, 5.0))]
    assert attribute(calls, [brief, long], CALM, offset=0) == 1
    assert (brief.calls, long.calls) == (["CA2"], ["CA1"])
    assert (round(brief.worst_ms), round(long.worst_ms)) == (2400, 5900)


def test_what_the_record_of_a_turn_says_decides_between_faults() -> None:
    named, longer = Fault("freeze", 101, VICTIM, until=102), Fault("kill", 100, Victim("f00", "worker", "here", 1), 110)
    assert attribute([call("CA1", turn(100, 6.0))], [named, longer], CALM, 0, {("CA1", "words"): {VICTIM.id}}) == 0
    assert (named.calls, longer.calls) == (["CA1"], [])


def test_times_of_callers_and_of_faults_are_brought_together() -> None:
    fault = Fault("cut", 1_000_100, until=1_000_100)
    assert attribute([call("CA1", turn(100, 2.0))], [fault], CALM, offset=1_000_000) == 0
    assert fault.calls == ["CA1"]


def test_the_calm_is_what_was_answered_before_the_faults() -> None:
    unanswered = TurnNote("words", began=5)
    waits = waits_of([call("CA1", turn(1, 0.1), turn(9, 3.0), turn(11, 0.5), unanswered)], calm_until=10)
    assert waits == Waits([0.1], [0.5])


def judged(findings: Findings, *faults: Fault, process_findings: tuple[str, ...] = ()) -> Judgement:
    results = CallResults()
    results.calls = [call("CA1", turn(1, 0.1))]
    summary = Summary(results, findings, 10.0)
    return Judgement(1, Counter(worker=2), list(faults), summary, CALM, 0, list(process_findings))


def test_a_run_in_which_nothing_was_found_is_clean() -> None:
    judgement = judged(Findings(calls=1), Fault("kill", 1, VICTIM, calls=["CA1"], worst_ms=1234))
    assert judgement.is_clean
    lines = list(judgement.lines())
    assert lines[-1] == "Nothing was lost, doubled, out of order or wrong."
    assert "worker 4711 (01234567) killed: 1 call noticed, the most by 1.2 s" in lines


@pytest.mark.parametrize("kind", ["lost", "doubled", "reordered", "wrong", "misheard", "unread"])
def test_a_run_is_not_clean_with(kind: str) -> None:
    judgement = judged(Findings(**{kind: 2}))
    assert not judgement.is_clean
    assert [finding.partition(" ")[0] for finding in judgement.findings] == ["2"]
    assert judgement.figures()["is_clean"] is False


@pytest.mark.parametrize("change", [{"impossible": "no key"}, {"remarks": ["CA1: odd"]}])
def test_a_run_is_not_clean_that_was_not_audited_or_of_which_the_agent_complains(change: dict[str, object]) -> None:
    assert len(judged(Findings(**change)).findings) == 1  # type: ignore[arg-type]


def test_a_run_is_not_clean_after_which_a_process_is_missing() -> None:
    assert judged(Findings(), process_findings=("worker 1 ended by itself",)).findings == ["worker 1 ended by itself"]
