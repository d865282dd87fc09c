"""Which incident a call has noticed: that of the process that had it, at that time, or none."""

import pytest

from orchestrator.incidents.cause import KNOWN_AFTER_SECONDS, MOST_UNEXPLAINED, is_noticed, time_of_page, with_causes
from orchestrator.incidents.incident import Incident, IncidentKind, Noticed, ProcessName

NOW = 1_000_000.0


def incident(kind: IncidentKind, at: float, until: float | None = None, process: str = "i1") -> Incident:
    """An incident at so many seconds from NOW."""
    name = None if kind in ("redis_outage", "rollback") else ProcessName(process, kind.partition("_")[0])
    return Incident(f"{kind} {process} {at}", kind, NOW + at, None if until is None else NOW + until, "", name)


def notice(how, at: float, ms: float = 0.0, process: str = "i1", **more) -> Noticed:
    return Noticed("CA1", "t1", how, ms, NOW + at, process, **more)


LOST, FROZEN, STOPPED = incident("ingress_lost", 0), incident("ingress_frozen", 0, 8), incident("ingress_stopped", 0)
OUTAGE = incident("redis_outage", 0, 10)
UNABLE = incident("worker_unable", 0, None, "w1")

NOTICED = [
    (LOST, notice("repeated", 12, 11_000)),
    (LOST, notice("repeated", 12, 15_000)),  # it came three seconds before the last sign of life
    (LOST, notice("reconnected", 4)),
    (LOST, notice("reconnected", 30, 25_000)),
    (LOST, notice("run_again", 5, 4000)),
    (FROZEN, notice("repeated", 7, 6000)),
    (FROZEN, notice("repeated", 8.2, 7000, "i2", noticed_by="i1")),  # the first webhook lay there
    (FROZEN, notice("held", 8.1, 7000)),
    (FROZEN, notice("reconnected", 15, 10_000)),
    (STOPPED, notice("reconnected", -20)),  # it closes its sockets before it ends
    (STOPPED, notice("reconnected", 2)),
    (OUTAGE, notice("held", 10.5, 6000, "")),
    (OUTAGE, notice("run_again", 9, 6000, "w1")),
    (UNABLE, notice("run_again", 500, 6000, "w1")),
]
NOT_NOTICED = [
    (LOST, notice("repeated", 12, 11_000, "i2")),  # another ingress had it
    (LOST, notice("repeated", 12, 11_000, "")),  # nobody knows who had it
    (LOST, notice("repeated", 100, 10_000)),  # it came long after the loss
    (LOST, notice("repeated", 2, 90_000)),  # it was answered long before the loss
    (LOST, notice("reconnected", -3)),
    (LOST, notice("reconnected", 4, 0, "i2")),
    (LOST, notice("held", 4, 3000)),
    (FROZEN, notice("repeated", 60, 1000)),
    (FROZEN, notice("repeated", 20, 1000, "i2", noticed_by="i1")),  # it is awake again
    (FROZEN, notice("run_again", 60, 2000)),
    (STOPPED, notice("repeated", 2, 1000)),  # it answers all before it ends
    (STOPPED, notice("reconnected", 300)),
    (OUTAGE, notice("repeated", 9, 6000)),  # a caller is held then
    (OUTAGE, notice("held", 30, 6000, "")),
    (OUTAGE, notice("held", -1.5, 6000, "")),
    (incident("ingress_started", 0), notice("repeated", 2, 1000)),
    (incident("rollback", 0), notice("run_again", 2, 1000)),
]


@pytest.mark.parametrize(("what", "noticed"), NOTICED)
def test_a_call_has_noticed_what_happened_to_the_process_that_had_it(what: Incident, noticed: Noticed) -> None:
    assert is_noticed(what, noticed)


@pytest.mark.parametrize(("what", "noticed"), NOT_NOTICED)
def test_no_other_incident_is_blamed(what: Incident, noticed: Noticed) -> None:
    assert not is_noticed(what, noticed)


def test_what_no_incident_explains_is_told_apart_once_its_incident_would_be_known() -> None:
    explained, young = notice("repeated", 12, 11_000), notice("repeated", 100, 900, "i9")
    retried = Noticed("CA2", "t5", "repeated", 900, NOW + 12, "i2")
    shown, unexplained = with_causes([LOST], [explained, young, retried, retried], 0.0, NOW + 50)
    assert [it.calls for it in shown] == [(explained,)]
    assert unexplained == [retried]


def test_of_several_incidents_the_latest_is_meant() -> None:
    before = incident("ingress_frozen", -30, -5)
    shown, _ = with_causes([FROZEN, before], [notice("repeated", 7, 6000)], 0.0, NOW)
    assert [it.calls_count for it in shown] == [1, 0]


def test_no_more_than_some_are_told() -> None:
    many = [Noticed(f"CA{number}", "t1", "repeated", 1, NOW + number / 1000) for number in range(MOST_UNEXPLAINED + 9)]
    _, unexplained = with_causes([], many, 0.0, NOW + 9)
    assert [it.call_sid for it in unexplained][:1] == [many[-1].call_sid]
    assert len(unexplained) == MOST_UNEXPLAINED


def test_the_times_of_the_pages_follow_each_other() -> None:
    times = {"c": 30.0, "b": 20.0, "a": 10.0}
    assert time_of_page(times, ["c"], "", NOW) == (30.0, NOW - KNOWN_AFTER_SECONDS)
    assert time_of_page(times, ["b"], "c", NOW) == (20.0, 30.0)
    assert time_of_page(times, ["a"], "b", NOW) == (0.0, 20.0)
    assert time_of_page({}, [], "", NOW) == (0.0, NOW - KNOWN_AFTER_SECONDS)
