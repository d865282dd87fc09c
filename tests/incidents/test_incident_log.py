"""The log of incidents in Redis: each once, however many report it, bounded, and with the calls that noticed it."""

import json

import pytest
from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.incidents.incident import (
    MOST_INCIDENTS,
    MOST_LISTED,
    BadIncidentCursor,
    IncidentKind,
    Noticed,
    ProcessName,
    Report,
)
from orchestrator.incidents.incident_log import MemoryIncidentLog
from orchestrator.incidents.message import SUSPECTED
from orchestrator.incidents.noticing import away
from orchestrator.incidents.redis.incident_log import RedisIncidentLog
from orchestrator.redis import incident_keys

ANNA = ProcessName("anna", "worker", "host-1", 4711, "v1")


@pytest.fixture
def log(redis_client: Redis) -> RedisIncidentLog:
    return RedisIncidentLog(redis_client)


def lost(at: float, detail: str = "", kind: IncidentKind = "worker_lost", until: float | None = None) -> Report:
    return Report(away("anna"), kind, at, until, ANNA, detail)


def notice(number: int, ms: float = 10.0, **more) -> Noticed:
    return Noticed(f"CA{number}", "t1", "run_again", ms, clock.now(), **more)


async def test_an_incident_that_two_report_is_one(log) -> None:
    now = clock.now()
    first, second = await log.report(lost(now - 3)), await log.report(lost(now - 5))
    assert first == second
    (incident,) = (await log.page(10)).incidents
    assert (incident.kind, incident.process, incident.until) == ("worker_lost", ANNA, None)
    assert incident.at == pytest.approx(now - 5, abs=0.01)
    assert (
        incident.message == "Worker anna (pid 4711 on host-1) was lost: it ended without a word, or cannot reach Redis."
    )


async def test_who_was_thought_lost_and_comes_back_stood_still(log) -> None:
    now = clock.now()
    await log.report(lost(now - 9, SUSPECTED))
    await log.report(lost(now - 9, kind="worker_frozen", until=now - 2))
    await log.report(lost(now - 5, SUSPECTED))  # which somebody saw before, and tells late
    (incident,) = (await log.page(10)).incidents
    assert (incident.kind, incident.until) == ("worker_frozen", pytest.approx(now - 2, abs=0.01))
    assert "stood still for 7.0 s" in incident.message


async def test_a_suspicion_is_replaced_by_what_is_sure_but_not_the_other_way_round(log) -> None:
    now = clock.now()
    await log.report(lost(now - 9, SUSPECTED))
    assert "stopped renewing" in (await log.page(1)).incidents[0].message
    await log.report(lost(now - 8))
    await log.report(lost(now - 8, SUSPECTED))
    (incident,) = (await log.page(10)).incidents
    assert "was lost" in incident.message


async def test_two_standstills_of_one_process_are_two_incidents(log) -> None:
    now = clock.now()
    await log.report(lost(now - 60, kind="worker_frozen", until=now - 50))
    await log.report(lost(now - 9, kind="worker_frozen", until=now - 2))
    assert [it.until for it in (await log.page(10)).incidents] == pytest.approx([now - 2, now - 50], abs=0.01)


async def test_outages_that_several_processes_saw_are_one_with_its_whole_time(log) -> None:
    now = clock.now()
    for began, ended in ((20, 11), (19.5, 10), (21, 10.5)):
        await log.report(Report("redis", "redis_outage", now - began, now - ended))
    (incident,) = (await log.page(10)).incidents
    assert (incident.at, incident.until) == pytest.approx((now - 21, now - 10), abs=0.01)


async def test_each_turn_is_counted_once_and_so_many_are_listed(log) -> None:
    incident_id = await log.report(lost(clock.now()))
    await log.note([notice(1, 7.5), notice(1, 7.5), notice(2, 2000.25)], incident_id)
    (incident,) = (await log.page(10)).incidents
    assert (incident.calls_count, incident.worst_ms) == (2, pytest.approx(2000.25, abs=0.1))
    assert [it.call_sid for it in incident.calls] == ["CA1", "CA2"]
    await log.note([notice(number) for number in range(3, 3 + MOST_LISTED)], incident_id)
    (incident,) = (await log.page(10)).incidents
    assert (len(incident.calls), incident.calls_count) == (MOST_LISTED, MOST_LISTED + 2)


async def test_a_notice_of_an_incident_that_is_gone_is_dropped(log, redis_client) -> None:
    await log.note([notice(1)], "never-was")
    assert await redis_client.keys("*") == []


async def test_what_a_call_noticed_is_found_by_its_process_once_the_incident_is_known(log) -> None:
    now = clock.now()
    held = Noticed("CA1", "t1", "held", 6000, now - 79)
    repeated = Noticed("CA2", "t4", "repeated", 5000, now - 75, "i1", noticed_by="i2")
    retried = Noticed("CA3", "t4", "repeated", 5000, now - 75, "i2", noticed_by="i2")
    unknown = Noticed("CA4", "t4", "repeated", 5000, now - 74)
    await log.note([held, repeated, retried, unknown])
    assert len((await log.page(10)).unexplained) == 4
    await log.report(Report("redis", "redis_outage", now - 90, now - 80))
    await log.report(Report("away:i1", "ingress_lost", now - 82, None, ProcessName("i1", "ingress")))
    page = await log.page(10)
    lost, outage = page.incidents
    assert [(it.call_sid, it.process) for it in lost.calls] == [("CA2", "i1")]
    assert [it.call_sid for it in outage.calls] == ["CA1"]
    assert (lost.calls_count, lost.worst_ms, outage.worst_ms) == (1, 5000, 6000)
    assert [it.call_sid for it in page.unexplained] == ["CA4", "CA3"]


async def test_each_page_tells_what_is_unexplained_in_its_own_time(log) -> None:
    now = clock.now()
    for seconds in (100, 200, 300):
        await log.report(Report(f"started:w{seconds}", "worker_started", now - seconds))
    await log.note([Noticed(f"CA{it}", "t1", "repeated", 1, now - it) for it in (5, 90, 150, 250, 350)])
    seen, cursor = [], ""
    while True:
        page = await log.page(1, cursor)
        seen.append([it.call_sid for it in page.unexplained])
        if not (cursor := page.cursor):
            break
    assert seen == [["CA90"], ["CA150"], ["CA350", "CA250"][::-1]]


async def test_the_log_is_bounded_and_forgets_with_an_incident_all_that_belongs_to_it(log, redis_client) -> None:
    now = clock.now()
    for number in range(MOST_INCIDENTS + 5):
        process = ProcessName(f"w{number}")
        report = Report(f"started:w{number}", "worker_started", now - 1000 + number, None, process)
        await log.note([notice(number)], await log.report(report))
    assert await redis_client.zcard(incident_keys.INCIDENT_TIMES) == MOST_INCIDENTS
    assert await redis_client.hlen(incident_keys.INCIDENT_SUBJECTS) == MOST_INCIDENTS
    assert len(await redis_client.keys("*:noticed")) == MOST_INCIDENTS


async def test_what_is_a_day_old_is_gone(log, redis_client) -> None:
    await log.report(lost(clock.now() - 86_500))
    assert (await log.page(10)).incidents == ()
    await log.report(Report("started:b", "worker_started", clock.now()))
    assert await redis_client.zcard(incident_keys.INCIDENT_TIMES) == 1


async def test_pages_follow_each_other(log) -> None:
    now = clock.now()
    for number in range(5):
        await log.report(Report(f"started:w{number}", "worker_started", now - number))
    seen, cursor = [], ""
    while True:
        page = await log.page(2, cursor)
        seen += [round(now - it.at) for it in page.incidents]
        if not (cursor := page.cursor):
            break
    assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(BadIncidentCursor):
        await log.page(2, "nonsense")


async def test_an_erased_call_is_in_no_incident(log, redis_client) -> None:
    incident_id = await log.report(lost(clock.now()))
    await log.note([notice(1), notice(11)], incident_id)
    await log.note([Noticed("CA1", "t9", "held", 1, clock.now()), Noticed("CA11", "t9", "held", 1, clock.now())])
    await log.erase("CA1")
    (incident,) = (await log.page(10)).incidents
    assert [it.call_sid for it in incident.calls] == ["CA11"]
    assert [json.loads(it)["c"] for it in await redis_client.lrange(incident_keys.LOOSE_NOTICES, 0, -1)] == ["CA11"]


async def test_a_finding_holds_since_it_was_seen_first_without_a_gap(log, redis_client) -> None:
    (began,) = await log.findings_since(["queue"])
    again = await RedisIncidentLog(redis_client).findings_since(["workers", "queue"])
    assert again[1] == began
    await redis_client.hset(incident_keys.FINDINGS, "queue", f"{began - 200:.3f}|{began - 100:.3f}")  # a gap of 100 s
    assert (await log.findings_since(["queue"]))[0] >= began


async def test_only_one_process_looks_at_a_time(log, redis_client) -> None:
    assert [await log.is_first(60), await RedisIncidentLog(redis_client).is_first(60)] == [True, False]


async def test_what_others_wrote_there_is_left_out(log, redis_client) -> None:
    incident_id = await log.report(lost(clock.now()))
    await log.note([notice(1)], incident_id)
    await redis_client.zadd(incident_keys.INCIDENT_TIMES, {"bad": clock.now(), "worse": clock.now()})
    await redis_client.hset(
        incident_keys.incident("bad"), mapping={"kind": "no kind", "at": "nan", "about": "[" * 9000}
    )
    await redis_client.set(incident_keys.incident("worse"), "a string")
    await redis_client.rpush(incident_keys.LOOSE_NOTICES, "{", '{"c": 1, "t": [], "how": "held", "ms": 1e400, "at": 1}')
    half = json.dumps({"c": "CA\ud800", "t": "t1", "how": "run_again", "ms": 1, "at": 1})
    await redis_client.hset(incident_keys.noticed(incident_id), "CA/t1/run_again", half)
    await redis_client.expire(incident_keys.LOOSE_NOTICES, 60)
    for key in (incident_keys.incident("bad"), incident_keys.incident("worse")):
        await redis_client.expire(key, 60)
    (incident,) = (await log.page(10)).incidents
    assert (incident.kind, [it.call_sid for it in incident.calls]) == ("worker_lost", ["CA1"])


async def test_without_redis_a_process_keeps_its_own() -> None:
    log, now = MemoryIncidentLog(), clock.now()
    await log.report(Report(away("me"), "ingress_frozen", now - 5, now - 2, ProcessName("me", "ingress")))
    await log.note([Noticed("CA1", "t1", "held", 3500, now - 1.5, "me")])
    (incident,) = (await log.page(10)).incidents
    assert [it.call_sid for it in incident.calls] == ["CA1"]
    (began,) = await log.findings_since(["x"])
    assert await log.findings_since(["x"]) == [began]
    await log.note([Noticed("CA2", "t1", "repeated", 3500, now - 70, "me")])
    assert [it.call_sid for it in (await log.page(10)).unexplained] == ["CA2"]
    await log.erase("CA1")
    assert (await log.page(10)).incidents[0].calls == ()
