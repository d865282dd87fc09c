"""The audit of the cockpit finds what it is there to find, and nothing where all that was shown was true."""

from collections import Counter
from pathlib import Path

import pytest
from soak.cockpit_audit import audit_answers, tracebacks
from soak.history_audit import Losses, audit_history
from soak.journal import CallJournal, Exchange
from soak.noticing_audit import audit_noticing
from soak.process_audit import ProcessAudit
from soak.shown import BadAnswer, Polled
from soak.spans import Span, first_quiet, merged, quiet, troubled
from soak.verdict import Verdict
from support.lives import Life
from support.shown_day import BEGAN, DAY, SID, URL, Json, at

# --- Stretches of time


def test_what_is_quiet_is_what_no_trouble_touches():
    troubles = [(5.0, 6.0), (2.0, 3.0), (2.5, 4.0)]
    assert merged(troubles) == [(2.0, 4.0), (5.0, 6.0)]
    assert quiet(troubles, 0.0, 10.0) == [(0.0, 2.0), (4.0, 5.0), (6.0, 10.0)]
    assert quiet(troubles, 3.0, 5.5) == [(4.0, 5.0)]
    assert troubled(troubles, 0.0, 10.0) == 3.0
    assert first_quiet(troubles, 0.0, 10.0, 3.0) == 9.0
    assert first_quiet(troubles, 0.0, 10.0, 5.0) is None


# --- Processes and incidents


def killed() -> Life:
    return Life("worker0", "worker", 11, BEGAN - 60, killed_at=BEGAN, ended_at=BEGAN)


def living(*freezes: Span) -> Life:
    return Life("worker1", "worker", 12, BEGAN - 60, freezes=list(freezes))


def incident(kind: str, pid: int, seconds: float, until: float | None = None, *calls: Json) -> Json:
    role = kind.partition("_")[0]
    return {
        "id": f"{kind}-{pid}-{seconds}", "kind": kind, "at": at(seconds), "until": None if until is None else at(until),
        "process": {"id": f"id-{pid}", "pid": pid, "role": role}, "calls": list(calls), "calls_count": len(calls),
        "worst_ms": max((each["ms"] for each in calls), default=0.0),
    }  # fmt: skip


def polled(*told: tuple[Json, float]) -> Polled:
    """What an operator has seen: each incident, and when."""
    found = Polled()
    processes = [{"id": f"id-{pid}", "pid": pid, "state": "running", "role": "worker"} for pid in (11, 12)]
    found.take("/processes", {"processes": processes}, BEGAN - 30, BEGAN - 30)
    for each, seconds in told:
        found.take("/incidents?limit=200", {"incidents": [each]}, BEGAN + seconds, BEGAN + seconds)
    return found


def of_processes(
    lives: list[Life], seen: Polled, *, troubles: tuple[Span, ...] = (), until: float = BEGAN + 100
) -> Verdict:
    verdict = Verdict()
    ProcessAudit(lives, seen, troubles, until, verdict).compare()
    return verdict


def test_a_killed_process_that_is_named_in_time_is_no_finding():
    verdict = of_processes([killed(), living()], polled((incident("worker_lost", 11, -3), 17.0)))
    assert verdict.untrue == []
    assert verdict.named_after == [17.0]


@pytest.mark.parametrize(
    "seen",
    [
        polled(),
        polled((incident("worker_lost", 11, -3), 60.0)),
        polled((incident("worker_frozen", 11, -3, 5), 17.0)),
        polled((incident("worker_lost", 12, -3), 17.0)),
        polled((incident("worker_lost", 11, -3), 17.0), (incident("worker_lost", 99, -3), 17.0)),
    ],
    ids=["never named", "named late", "said to have stood still", "another one named", "one that never was"],
)
def test_a_killed_process_that_is_named_otherwise_is_a_finding(seen: Polled):
    assert of_processes([killed(), living()], seen).untrue


def test_a_process_that_was_killed_at_the_end_or_amid_outages_need_not_be_named_yet():
    assert of_processes([killed()], polled(), until=BEGAN + 20).untrue == []
    outages = tuple((BEGAN + at, BEGAN + at + 5) for at in range(0, 100, 20))
    assert of_processes([killed()], polled(), troubles=outages).untrue == []


def test_a_process_that_stood_still_is_named_so():
    freeze = (BEGAN + 10, BEGAN + 14)
    assert of_processes([living(freeze)], polled()).untrue
    assert of_processes([living(freeze)], polled((incident("worker_frozen", 12, 10, 14), 16.0))).untrue == []
    early = polled((incident("worker_frozen", 12, 1, 3), 5.0))
    assert of_processes([living(freeze)], early).untrue


def test_a_process_that_lives_is_not_told_lost():
    told_lost = incident("worker_lost", 12, 5)
    assert of_processes([living()], polled((told_lost, 30.0))).untrue
    stood_still = living((BEGAN + 5, BEGAN + 25))
    back = {**incident("worker_frozen", 12, 5, 25), "id": told_lost["id"]}
    assert of_processes([stood_still], polled((told_lost, 22.0), (back, 27.0))).untrue == []
    for_ever = of_processes([stood_still], polled((told_lost, 22.0)))
    assert len(for_ever.untrue) == 1


def test_a_process_that_was_replaced_in_peace_is_not_told_lost():
    left = Life("worker0", "worker", 11, BEGAN - 60, asked_at=BEGAN, ended_at=BEGAN + 1)
    seen = polled((incident("worker_lost", 11, -1), 20.0))
    assert of_processes([left], seen).untrue
    assert of_processes([left], seen, troubles=((BEGAN, BEGAN + 2),)).untrue == []


def test_a_process_that_lives_is_not_shown_as_lost():
    seen = polled()
    process = {"id": "id-12", "pid": 12, "state": "lost", "role": "worker"}
    seen.take("/processes", {"processes": [process]}, BEGAN + 50, BEGAN + 50)
    assert len(of_processes([living()], seen).untrue) == 2  # then, and still at the end


# --- Who noticed


def noticed(how: str, ms: float = 3000.0, turn_id: str = "turn-1", call_sid: str = SID) -> Json:
    return {"call_sid": call_sid, "turn_id": turn_id, "how": how, "ms": ms, "at": at(4)}


def of_noticing(
    notice: Json, exchange: Exchange, *, sessions: int = 1, runs: int = 1, outcome: str = "replied"
) -> Verdict:
    journal = CallJournal(SID, "gather", exchanges=[exchange], sessions=sessions)
    record = {
        "turn_id": "turn-1", "kind": "speech", "text": exchange.text, "outcome": outcome, "received_at": at(0),
        "committed_at": at(0.2),
    }  # fmt: skip
    verdict = Verdict(states={SID: {"turns": [record]}})
    audit_noticing(
        [incident("worker_lost", 11, 0, None, notice)], [journal], Counter({"CA1/turn-1": runs}), 99, verdict
    )
    return verdict


def exchange(waited: float = 0.2, **more: int) -> Exchange:
    return Exchange("turn-1", "number 1", 10.0, answered_at=10.0 + waited, heard="reply", **more)


def test_calls_that_noticed_are_no_finding():
    assert of_noticing(noticed("run_again"), exchange(), runs=2).untrue == []
    assert of_noticing(noticed("run_again"), exchange(waited=3.1)).untrue == []
    assert of_noticing(noticed("held"), exchange(waited=2.6)).untrue == []
    assert of_noticing(noticed("repeated"), exchange(retries=1)).untrue == []
    assert of_noticing(noticed("reconnected"), exchange(), sessions=2).untrue == []
    assert of_noticing(noticed("failed"), exchange(), outcome="failed").untrue == []


@pytest.mark.parametrize("how", ["run_again", "held", "repeated", "reconnected", "failed"])
def test_a_call_that_cannot_have_noticed_is_a_finding(how: str):
    assert len(of_noticing(noticed(how), exchange()).untrue) == 1


def test_a_turn_that_no_state_has_is_a_finding():
    assert len(of_noticing(noticed("run_again", turn_id="turn-9"), exchange(), runs=2).untrue) == 1


def test_an_incident_that_counts_less_than_it_lists_is_a_finding():
    verdict = Verdict()
    listed = incident("worker_lost", 11, 0, None, noticed("held", call_sid="CA9"))
    audit_noticing([{**listed, "calls_count": 0}, {**listed, "worst_ms": 10.0}], [], Counter(), 0, verdict)
    assert len(verdict.untrue) == 2


# --- The history


def counted(turns: int, calls: int = 1, *, killed_at: float | None = None) -> list[str]:
    """What is found of a call of three turns, at 0, 1 and 2 s, when the history has counted so much."""
    records = [
        {"turn_id": str(n), "committed_at": at(n), "worker": "id-11", "outcome": "replied", "kind": "speech"}
        for n in range(3)
    ]
    seen = polled()
    point = {"at": at(0), "turns": turns, "calls_started": calls, "calls_ended": calls}
    seen.take("/history?hours=2", {"points": [point]}, BEGAN + 90, BEGAN + 90)
    life = Life("worker0", "worker", 11, BEGAN - 60, killed_at=killed_at, ended_at=killed_at)
    verdict = Verdict()
    losses = Losses([life], seen.pids, [], [], seen.counted_at)
    audit_history(seen, {SID: {"turns": records, "ended": {"at": at(2)}}}, losses, verdict)
    return verdict.untrue


def test_a_history_that_has_counted_all_is_no_finding():
    assert counted(3) == []


def test_a_history_that_has_counted_more_or_less_is_a_finding():
    assert len(counted(2)) == len(counted(4)) == 1
    assert len(counted(3, calls=0)) == len(counted(3, calls=2)) == 2


def test_the_last_seconds_of_a_process_that_was_killed_may_be_missing():
    assert counted(0, 0, killed_at=BEGAN + 5) == []
    assert len(counted(0, killed_at=BEGAN + 60)) == 1


# --- Answers and logs


def of_answer(status: int, kind: str, *troubles: Span) -> list[str]:
    verdict = Verdict()
    audit_answers([BadAnswer(URL, "/processes", BEGAN, BEGAN + 1, status, kind)], troubles, {URL: []}, verdict)
    return verdict.untrue


def test_an_answer_without_redis_is_no_finding_while_redis_is_away():
    assert of_answer(503, "/problems/store-unavailable", DAY) == []


@pytest.mark.parametrize(
    "found",
    [
        of_answer(503, "/problems/store-unavailable"),
        of_answer(503, "about:blank", DAY),
        of_answer(500, "/problems/internal-error", DAY),
        of_answer(404, "/problems/unknown-call"),
        of_answer(200, "unreadable", DAY),
    ],
    ids=["Redis is there", "no reason", "an error of ours", "a call that is there", "no JSON"],
)
def test_any_other_error_is_a_finding(found: list[str]):
    assert len(found) == 1


def test_a_traceback_of_the_cockpit_is_found_and_no_other(tmp_path: Path):
    def traceback(place: str) -> str:
        return f'Traceback (most recent call last):\n  File "/app/{place}", line 1, in read\n    raise\nKeyError: 1\n'

    (tmp_path / "web0-1.log").write_text(traceback("web/live/live_reader.py") * 2 + traceback("web/twilio/turn.py"))
    (tmp_path / "worker0-1.log").write_text("WARNING all is well\n" + traceback("orchestrator/incidents/watch.py"))
    assert [each.split(":")[0] for each in tracebacks(tmp_path)] == ["web0-1.log", "worker0-1.log"]


def test_what_befalls_a_process_is_noted():
    life = Life("web0", "ingress", 1)
    life.freeze()
    life.end()
    assert life.ended_at is not None
    assert life.freezes[0][1] <= life.ended_at
