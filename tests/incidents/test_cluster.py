"""Incidents in a Redis Cluster: the log's own keys are in one slot, those of calls in others."""

import pytest
from redis.asyncio import Redis
from support.reported_workers import report_process

from orchestrator import clock
from orchestrator.incidents.incident import Noticed, ProcessName, Report
from orchestrator.incidents.noticing import away
from orchestrator.incidents.redis.incident_log import RedisIncidentLog
from orchestrator.incidents.redis.turn_holder import ingress_that_had
from orchestrator.incidents.watch import IncidentWatch
from orchestrator.processes.redis.reports import read_reports
from orchestrator.redis import keys
from orchestrator.turns.redis.turn_reader import LISTENING_SECONDS

CALLS = [f"CA{number}" for number in range(20)]
"""Which are on all nodes."""


@pytest.fixture
def log(cluster_client: Redis) -> RedisIncidentLog:
    return RedisIncidentLog(cluster_client)


async def test_a_lost_process_is_found_and_the_calls_that_noticed_it(log, cluster_client) -> None:
    now = clock.now()
    await report_process(cluster_client, "w1", started_at=now - 900, seen_at=now - 20)
    await IncidentWatch(log, lambda: read_reports(cluster_client), reads_since=now - 60).look()
    assert await log.is_first(60) is False
    known = await log.latest(away("w1"))
    assert known is not None
    assert await log.open_among([away("w1"), away("w2")]) == {away("w1"): known}
    await log.note([Noticed(call_sid, "t1", "run_again", 2000, now, "w1") for call_sid in CALLS], known.id)
    (incident,) = (await log.page(10)).incidents
    assert (incident.kind, {it.call_sid for it in incident.calls}) == ("worker_lost", set(CALLS))


async def test_what_is_noticed_before_its_incident_is_known_is_found_and_erased(log) -> None:
    now = clock.now()
    await log.note([Noticed(call_sid, "t1", "repeated", 4000, now - 1, "i1") for call_sid in CALLS])
    await log.report(Report(away("i1"), "ingress_lost", now - 4, None, ProcessName("i1", "ingress")))
    for call_sid in CALLS[1:]:
        await log.erase(call_sid)
    (incident,) = (await log.page(10)).incidents
    assert [it.call_sid for it in incident.calls] == CALLS[:1]


async def test_the_ingress_that_had_a_turn_first_is_known_of_every_call(cluster_client) -> None:
    now = clock.now()
    for call_sid in CALLS:
        listeners = keys.call(call_sid).listeners
        await cluster_client.zadd(listeners, {keys.reply_channel(f"i-{call_sid}"): (now + LISTENING_SECONDS) * 1000})
        await cluster_client.expire(listeners, LISTENING_SECONDS)
    assert [await ingress_that_had(cluster_client, it, now) for it in CALLS] == [f"i-{it}" for it in CALLS]


async def test_a_finding_holds_since_it_was_seen_first(log) -> None:
    (began,) = await log.findings_since(["queue"])
    assert (await log.findings_since(["workers", "queue"]))[1] == began
