"""Who was lost, stood still, ended or began, by the reports of all processes; and what a process says of itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.incident_place import LONG_AGO, Place, at_ago
from support.reported_workers import report_process
from support.waiting import wait_until

from orchestrator.incidents.incident import ProcessName, Report
from orchestrator.incidents.noticing import away
from orchestrator.incidents.standstill import OwnTroubles
from orchestrator.incidents.watch import IncidentWatch, kind_of
from orchestrator.tasks import cancel_and_wait


async def test_what_processes_report_becomes_incidents_once(place: Place) -> None:
    await report_process(place.redis, "w1", host="h1", pid=7, version="v2", started_at=at_ago(50))
    await report_process(place.redis, "i1", role="ingress", started_at=at_ago(40), left_at=at_ago(30))
    await report_process(place.redis, "w2", started_at=at_ago(LONG_AGO), seen_at=at_ago(20))
    await place.look()
    await place.look()
    await place.look(place.new_watch())
    assert await place.told() == [
        ("worker_started", "w1"), ("ingress_started", "i1"), ("ingress_stopped", "i1"), ("worker_lost", "w2"),
    ]  # fmt: skip
    assert (await place.incidents())[0].process == ProcessName("w1", "worker", "h1", 7, "v2")


async def test_a_time_in_which_nobody_could_read_is_nobodys_silence(place: Place) -> None:
    await report_process(place.redis, "w1", started_at=at_ago(LONG_AGO), seen_at=at_ago(300))
    await place.look(IncidentWatch(place.log, place.reports))
    assert await place.told() == []


async def test_a_process_that_reports_again_stood_still(place: Place) -> None:
    await report_process(place.redis, "w1", started_at=at_ago(LONG_AGO), seen_at=at_ago(20))
    await place.look()
    assert await place.told() == [("worker_lost", "w1")]
    await report_process(place.redis, "w1", started_at=at_ago(LONG_AGO))
    await place.look()
    (incident,) = await place.incidents()
    assert incident.kind == "worker_frozen"
    assert incident.until is not None
    assert incident.until - incident.at == pytest.approx(20, abs=5)


@asynccontextmanager
async def running(own: OwnTroubles) -> AsyncIterator[None]:
    task = asyncio.create_task(own.run())
    try:
        yield
    finally:
        await cancel_and_wait(task)


async def test_a_process_tells_of_its_own_standstill_and_of_an_outage_once_they_are_over(place: Place) -> None:
    state = {"cut": True}
    me = ProcessName("me", "ingress", "h1", 3)
    own = OwnTroubles(place.log, lambda: me, is_cut_off=lambda: state["cut"], tick_seconds=0.01)
    async with running(own):
        own.note_standstill(0.3)  # which is short enough for nobody to notice
        own.note_standstill(4.0)
        await wait_until(lambda: own.is_cut_off, "the outage is noticed")
        assert await place.told() == []
        state["cut"] = False
        await wait_until(lambda: place.has_told(2), "both are reported")
    frozen, outage = await place.incidents()
    assert (frozen.kind, frozen.process, outage.kind) == ("ingress_frozen", me, "redis_outage")
    assert frozen.until is not None
    assert frozen.until - frozen.at == pytest.approx(4, abs=0.01)


async def test_a_worker_that_can_claim_nothing_says_so_and_when_it_can_again(place: Place) -> None:
    state = {"unable": True}
    me = ProcessName("me", "worker", "h1", 3)
    own = OwnTroubles(place.log, lambda: me, is_unable=lambda: state["unable"], tick_seconds=0.01)
    async with running(own):
        await wait_until(lambda: place.has_told(1), "it is reported")
        (incident,) = await place.incidents()
        assert (incident.kind, incident.until) == ("worker_unable", None)
        state["unable"] = False
        await wait_until(place.all_over, "it is over")


@pytest.mark.parametrize("role", ["worker", "ingress"])
async def test_a_process_that_stood_still_and_is_killed_then_was_lost(place: Place, role: str) -> None:
    me = ProcessName("me", role, "h1", 3)
    await report_process(place.redis, "me", role=role, started_at=at_ago(LONG_AGO), seen_at=at_ago(27))
    await place.log.report(Report(away("me"), kind_of(role, "frozen"), at_ago(26), at_ago(22), me))
    await place.look()
    await place.look(place.new_watch())
    frozen, lost = await place.incidents()
    assert [frozen.kind, lost.kind] == [f"{role}_frozen", f"{role}_lost"]
    assert (lost.until, lost.process and lost.process.id) == (None, "me")
    assert lost.at == pytest.approx(at_ago(22), abs=5)


async def test_what_is_said_of_a_standstill_is_what_its_times_say(place: Place) -> None:
    me = ProcessName("anna")
    await place.log.report(Report(away("anna"), "worker_lost", at_ago(20), None, me, "taken"))
    await place.log.report(Report(away("anna"), "worker_frozen", at_ago(19), at_ago(15.5), me))
    await place.log.report(Report(away("anna"), "worker_frozen", at_ago(15), at_ago(11), me))
    first, second = await place.incidents()
    for incident, seconds in ((first, 3.5), (second, 4.0)):
        assert incident.until is not None
        assert incident.until - incident.at == pytest.approx(seconds, abs=0.1)
        assert f"stood still for {incident.until - incident.at:.1f} s" in incident.message
