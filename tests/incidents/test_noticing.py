"""Which calls noticed something: what turns and webhooks leave, and to which incident it is put."""

from datetime import UTC, datetime

import pytest
from support.incident_place import LONG_AGO, Place, at_ago, taken_from
from support.reported_workers import report_process

from orchestrator import clock
from orchestrator.conversation.faults import Fault
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable
from orchestrator.incidents.incident import Noticed, ProcessName, Report
from orchestrator.incidents.noticing import MS_SINCE_RECEIVED, away
from orchestrator.incidents.redis.incident_log import RedisIncidentLog
from orchestrator.incidents.redis.turn_holder import ingress_that_had
from orchestrator.turns.store import Claim, Lease


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


async def test_a_turn_that_the_caller_ended_before_another_worker_began_it_was_not_run_again(place: Place) -> None:
    claim, record = taken_from("anna", at_ago(4))
    record.outcome, record.timings = "interrupted", {"submitted": 1.0, "claimed": 3000.0}
    place.noticing.committed(claim, record)
    await place.noticing.write()
    assert await place.redis.keys("{voiceagent:incidents}*") == []


async def test_a_turn_that_the_caller_ended_while_another_worker_ran_it_was_run_again(place: Place) -> None:
    claim, record = taken_from("anna", at_ago(4))
    record.outcome, record.timings = "interrupted", {"submitted": 1.0, "claimed": 3000.0, "finished": 3010.0}
    place.noticing.committed(claim, record)
    await place.noticing.write()
    (incident,) = await place.incidents()
    assert [call.how for call in incident.calls] == ["run_again"]


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
    noticing = place.new_noticing(FailingLog(place.redis))
    noticing.committed(*taken_from("anna", at_ago(4)))
    with pytest.raises(StoreUnavailable):
        await noticing.write()
    await noticing.write()
    (incident,) = await place.incidents()
    assert incident.calls_count == 1


async def test_a_repeated_webhook_lost_the_time_since_its_turn_was_received(place: Place) -> None:
    await place.log.report(Report("away:i1", "ingress_lost", at_ago(1), None, ProcessName("i1", "ingress")))
    record = TurnRecord.of(Turn(turn_id="turn-1", call_sid="CA1", kind="speech"), "replied", Reply())
    place.states["CA1"] = ConversationState(call_sid="CA1", turns=[record])
    at = record.received_at.timestamp() + 3
    await place.has_submitted("i1", "CA1", at - 3)
    await place.has_submitted("i1", "CA2", at)
    place.noticing.add(Noticed("CA1", "turn-1", "repeated", MS_SINCE_RECEIVED, at))
    place.noticing.add(Noticed("CA2", "turn-1", "repeated", MS_SINCE_RECEIVED, at))
    await place.noticing.write()
    (incident,) = await place.incidents()
    assert {it.call_sid: round(it.ms) for it in incident.calls} == {"CA1": 3000, "CA2": 0}


async def test_the_ingress_that_had_a_turn_first_is_the_one_that_submitted_it(place: Place) -> None:
    now = clock.now()
    for ingress, ago in (("i0", 30), ("i1", 8), ("i2", 2)):  # another turn of the call, the turn, and the turn again
        await place.has_submitted(ingress, "CA1", now - ago)
    assert await ingress_that_had(place.redis, "CA1", now - 8.1) == "i1"
    assert await ingress_that_had(place.redis, "CA1", now) == ""
    assert await ingress_that_had(place.redis, "CA2", now - 8) == ""


async def test_a_turn_whose_own_worker_had_lost_the_lease_is_no_matter_of_an_incident_long_ago(place: Place) -> None:
    me = ProcessName("anna")
    await place.log.report(Report(away("anna"), "worker_frozen", at_ago(900), at_ago(890), me))
    place.noticing.add(Noticed("CA1", "t1", "run_again", 1200, clock.now(), "anna"))
    await place.noticing.write()
    assert [it.calls_count for it in await place.incidents()] == [0]


async def test_a_turn_that_was_held_is_put_to_the_time_in_which_it_waited(place: Place) -> None:
    await place.log.report(Report("redis", "redis_outage", at_ago(62), at_ago(58)))
    turn = Turn(turn_id="t7", call_sid="CA1", kind="speech", received_at=datetime.fromtimestamp(at_ago(61), UTC))
    turn = turn.submitted_at(at_ago(57.9))
    claim = Claim(Lease("CA1", "bert", 2), turn, None, attempt=1)
    record = TurnRecord.of(turn, "replied", Reply())
    record.absorbed = [Fault(fault="held", lost_ms=turn.submitted_ms or 0)]
    place.noticing.committed(claim, record)  # a minute later: its agent took that long
    await place.noticing.write()
    (incident,) = await place.incidents()
    assert [(it.how, round(it.ms, -2)) for it in incident.calls] == [("held", 3100)]


async def test_a_worker_that_is_killed_right_after_a_standstill_is_blamed_for_what_it_lost(place: Place) -> None:
    me = ProcessName("anna")
    await report_process(place.redis, "anna", started_at=at_ago(LONG_AGO), seen_at=at_ago(9))
    await place.log.report(Report(away("anna"), "worker_frozen", at_ago(12), at_ago(6), me))
    place.noticing.committed(*taken_from("anna", at_ago(8), "CA1"))  # while it stood still
    place.noticing.committed(*taken_from("anna", at_ago(5.5), "CA2"))  # after that
    await place.noticing.write()
    told = [(it.kind, [call.call_sid for call in it.calls]) for it in await place.incidents()]
    assert told == [("worker_frozen", ["CA1"]), ("worker_lost", ["CA2"])]
