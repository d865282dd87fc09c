"""Who was lost, stood still, ended or began, by the reports of all processes; and which calls noticed it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from redis.asyncio import Redis
from support.reported_workers import report_process
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.conversation.faults import Fault
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable
from orchestrator.incidents.incident import Incident, Noticed, ProcessName, Report
from orchestrator.incidents.noticing import MS_SINCE_RECEIVED, Noticing, away
from orchestrator.incidents.redis.incident_log import RedisIncidentLog
from orchestrator.incidents.standstill import OwnTroubles
from orchestrator.incidents.watch import IncidentWatch, kind_of
from orchestrator.processes.redis.reports import read_reports
from orchestrator.redis import incident_keys
from orchestrator.tasks import cancel_and_wait
from orchestrator.turns.store import Claim, Lease

LONG_AGO = 3600.0


class Place:
    """The log, the reports in Redis, and what looks at them."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.log = RedisIncidentLog(redis)
        self.reports = partial(read_reports, redis)
        self.erased: set[str] = set()
        self.states: dict[str, ConversationState] = {}
        self.noticing = Noticing(self.log, self.reports, self.is_erased, self.get_state, pause_seconds=0)
        self.watch = self.new_watch()

    async def is_erased(self, call_sid: str) -> bool:
        return call_sid in self.erased

    async def get_state(self, call_sid: str) -> ConversationState | None:
        return self.states.get(call_sid)

    def new_watch(self) -> IncidentWatch:
        """Return the watch of a process that has read the reports for a minute."""
        return IncidentWatch(self.log, self.reports, reads_since=clock.now() - 60)

    async def look(self, watch: IncidentWatch | None = None) -> None:
        """Look as a process does whose turn it is."""
        await self.redis.delete(incident_keys.INCIDENT_WATCH)
        await (watch or self.watch).look()

    async def incidents(self) -> list[Incident]:
        return sorted((await self.log.page(100)).incidents, key=lambda it: it.at)

    async def has_told(self, count: int) -> bool:
        return len(await self.incidents()) >= count

    async def all_over(self) -> bool:
        return all(it.until is not None for it in await self.incidents())

    async def told(self) -> list[tuple[str, str]]:
        return [(it.kind, it.process.id if it.process else "") for it in await self.incidents()]


@pytest.fixture
async def place(redis_client: Redis) -> AsyncIterator[Place]:
    return Place(redis_client)


def at_ago(seconds: float) -> float:
    return clock.now() - seconds


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


def taken_from(process: str, silent_since: float | None, call_sid: str = "CA1") -> tuple[Claim, TurnRecord]:
    turn = Turn(turn_id="t7", call_sid=call_sid, kind="speech", text="my secret words")
    claim = Claim(Lease(call_sid, "bert", 2), turn, None, attempt=2, taken_from=process, silent_since=silent_since)
    record = TurnRecord.of(turn, "replied", Reply(text="an answer"))
    record.attempts, record.absorbed = 2, [Fault(fault="worker_lost", process=process, lost_ms=2345.6)]
    return claim, record


async def test_a_turn_that_was_taken_over_tells_of_its_lost_worker_before_its_report_is_overdue(place: Place) -> None:
    await report_process(place.redis, "anna", host="h1", pid=9, seen_at=at_ago(3))
    place.noticing.committed(*taken_from("anna", at_ago(4)))
    await place.noticing.write()
    (incident,) = await place.incidents()
    assert (incident.kind, incident.calls_count, incident.worst_ms) == ("worker_lost", 1, 2345.6)
    assert incident.process == ProcessName("anna", "worker", "h1", 9, "v1")
    (call,) = incident.calls
    assert (call.call_sid, call.turn_id, call.how, call.ms) == ("CA1", "t7", "run_again", 2345.6)
    stored = [await place.redis.dump(key) for key in await place.redis.keys("{voiceagent:incidents}*")]
    assert not any(word in bytes(it) for it in stored for word in (b"secret", b"answer"))


async def test_the_overdue_report_of_that_worker_is_the_same_incident(place: Place) -> None:
    await report_process(place.redis, "anna", started_at=at_ago(LONG_AGO), seen_at=at_ago(20))
    place.noticing.committed(*taken_from("anna", at_ago(19)))
    await place.noticing.write()
    await place.look()
    (incident,) = await place.incidents()
    assert (incident.kind, incident.calls_count) == ("worker_lost", 1)
    assert "was lost" in incident.message


async def test_a_worker_that_reports_itself_and_lost_a_turn_stood_still(place: Place) -> None:
    await report_process(place.redis, "anna")
    place.noticing.committed(*taken_from("anna", at_ago(8)))
    await place.noticing.write()
    (incident,) = await place.incidents()
    assert (incident.kind, incident.calls_count) == ("worker_frozen", 1)


async def test_while_redis_is_down_no_worker_is_to_blame(place: Place) -> None:
    await report_process(place.redis, "anna")
    await place.log.report(Report("redis", "redis_outage", at_ago(9), at_ago(1)))
    place.noticing.committed(*taken_from("anna", at_ago(8)))
    await place.noticing.write()
    assert await place.told() == [("redis_outage", "")]


async def test_an_ordinary_turn_is_not_noted(place: Place) -> None:
    claim, record = taken_from("anna", None)
    record.attempts, record.absorbed = 1, []
    place.noticing.committed(claim, record)
    await place.noticing.write()
    assert await place.redis.keys("{voiceagent:incidents}*") == []


async def test_a_call_that_is_erased_meanwhile_is_in_no_incident(place: Place) -> None:
    place.erased.add("CA1")
    place.noticing.committed(*taken_from("anna", at_ago(4)))
    place.noticing.add(Noticed("CA1", "t8", "held", 900, clock.now()))
    await place.noticing.write()
    (incident,) = await place.incidents()
    assert incident.calls == ()
    assert await place.redis.keys("*noti*") == []


class FailingLog(RedisIncidentLog):
    """Fails once."""

    fails = True

    async def note(self, noticed, incident_id="") -> None:
        if self.fails:
            self.fails = False
            raise StoreUnavailable("as the test says")
        await super().note(noticed, incident_id)


async def test_what_could_not_be_noted_is_noted_later(place: Place) -> None:
    noticing = Noticing(FailingLog(place.redis), place.reports, place.is_erased, place.get_state, pause_seconds=0)
    noticing.committed(*taken_from("anna", at_ago(4)))
    with pytest.raises(StoreUnavailable):
        await noticing.write()
    await noticing.write()
    (incident,) = await place.incidents()
    assert incident.calls_count == 1


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


async def test_a_repeated_webhook_lost_the_time_since_its_turn_was_received(place: Place) -> None:
    await place.log.report(Report("away:i1", "ingress_lost", at_ago(6), None, ProcessName("i1", "ingress")))
    record = TurnRecord.of(Turn(turn_id="turn-1", call_sid="CA1", kind="speech"), "replied", Reply())
    place.states["CA1"] = ConversationState(call_sid="CA1", turns=[record])
    at = record.received_at.timestamp() + 3
    place.noticing.add(Noticed("CA1", "turn-1", "repeated", MS_SINCE_RECEIVED, at))
    place.noticing.add(Noticed("CA2", "turn-1", "repeated", MS_SINCE_RECEIVED, at))
    await place.noticing.write()
    (incident,) = await place.incidents()
    assert {it.call_sid: round(it.ms) for it in incident.calls} == {"CA1": 3000, "CA2": 0}


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


async def test_a_worker_that_is_killed_right_after_a_standstill_is_blamed_for_what_it_lost(place: Place) -> None:
    me = ProcessName("anna")
    await report_process(place.redis, "anna", started_at=at_ago(LONG_AGO), seen_at=at_ago(9))
    await place.log.report(Report(away("anna"), "worker_frozen", at_ago(12), at_ago(6), me))
    place.noticing.committed(*taken_from("anna", at_ago(8), "CA1"))  # while it stood still
    place.noticing.committed(*taken_from("anna", at_ago(5.5), "CA2"))  # after that
    await place.noticing.write()
    told = [(it.kind, [call.call_sid for call in it.calls]) for it in await place.incidents()]
    assert told == [("worker_frozen", ["CA1"]), ("worker_lost", ["CA2"])]


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
