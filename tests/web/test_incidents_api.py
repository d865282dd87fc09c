"""`GET /incidents` and `GET /findings`, over Redis and without it."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from support.ingress import Ingress, StartIngress
from support.reported_workers import report_process
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.incidents.incident import Noticed, ProcessName, Report
from orchestrator.incidents.process_incidents import ProcessIncidents
from orchestrator.incidents.redis.incident_log import RedisIncidentLog
from orchestrator.processes.redis.presence import RedisPresence
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.probe import probe


@pytest.fixture
async def ingress(redis_client: Redis, start_ingress: StartIngress) -> AsyncIterator[Ingress]:
    """An ingress that finds the incidents in Redis."""
    async with start_ingress() as ingress, Breaker(lambda: probe(redis_client)) as breaker:
        runtime = ingress.runtime
        runtime.redis, runtime.breaker = redis_client, breaker
        runtime.presence = RedisPresence(redis_client, breaker.guard, "i1")
        runtime.incidents = ProcessIncidents(RedisIncidentLog(redis_client, breaker.guard))
        yield ingress


async def test_an_incident_names_its_process_and_the_calls_that_noticed_it(ingress: Ingress) -> None:
    log, now = ingress.runtime.incidents.log, clock.now()
    process = ProcessName("w1", "worker", "anna", 4711, "v7")
    incident_id = await log.report(Report("away:w1", "worker_lost", now - 3, None, process))
    await log.note([Noticed("CA1", "t2", "run_again", 2100.04, now, "w1")], incident_id)
    answer = (await ingress.client.get("/incidents")).json()
    (incident,) = answer["incidents"]
    assert answer["next"] is None
    assert (incident["id"], incident["kind"], incident["until"]) == (incident_id, "worker_lost", None)
    assert incident["process"] == {"id": "w1", "role": "worker", "host": "anna", "pid": 4711, "version": "v7"}
    assert (incident["calls_count"], incident["worst_ms"]) == (1, 2100.0)
    (call,) = incident["calls"]
    assert (call["call_sid"], call["turn_id"], call["how"], call["ms"]) == ("CA1", "t2", "run_again", 2100.0)
    assert call["at"].endswith("Z")


async def test_incidents_come_in_pages(ingress: Ingress) -> None:
    for number in range(5):
        await ingress.runtime.incidents.log.report(
            Report(f"started:w{number}", "worker_started", clock.now() - number, None, ProcessName(f"w{number}"))
        )
    seen, cursor = [], ""
    while cursor is not None:
        page = (await ingress.client.get("/incidents", params={"limit": 2, "cursor": cursor})).json()
        seen += [it["process"]["id"] for it in page["incidents"]]
        cursor = page["next"]
    assert seen == ["w0", "w1", "w2", "w3", "w4"]
    for wrong in ("nonsense", "x" * 999):
        refused = await ingress.client.get("/incidents", params={"cursor": wrong})
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/wrong-fields")


async def test_what_is_wrong_is_said_with_advice_and_since_when(ingress: Ingress) -> None:
    async def found() -> dict[str, dict]:
        return {it["id"]: it for it in (await ingress.client.get("/findings")).json()["findings"]}

    first = (await found())["workers-problem"]
    assert (first["level"], first["message"]) == ("problem", "No worker is alive.")
    assert first["advice"] == "Start one: python -m workers"
    assert first["since"] is not None
    assert first["calls"] == {"count": 0, "sids": []}
    assert (await ingress.client.get("/overview")).json()["findings"] == [*(await found()).values()]


async def test_a_lost_worker_is_a_finding_with_its_calls(ingress: Ingress, redis_client: Redis) -> None:
    await report_process(redis_client, "w2")
    log = ingress.runtime.incidents.log
    incident_id = await log.report(Report("away:w1", "worker_lost", clock.now() - 3, None, ProcessName("w1")))
    await log.note([Noticed(f"CA{it}", "t2", "run_again", 2000, clock.now(), "w1") for it in range(30)], incident_id)
    findings = (await ingress.client.get("/findings")).json()["findings"]
    (finding,) = [it for it in findings if it["id"] == "incident-worker_lost"]
    assert (finding["level"], finding["calls"]["count"], len(finding["calls"]["sids"])) == ("warning", 30, 20)
    levels = [["problem", "warning", "note"].index(it["level"]) for it in findings]
    assert levels == sorted(levels)


async def test_without_redis_a_process_tells_of_its_own_beginning(start_ingress: StartIngress) -> None:
    async with start_ingress() as ingress:

        async def kinds() -> list[str]:
            return [it["kind"] for it in (await ingress.client.get("/incidents")).json()["incidents"]]

        async def has_begun() -> bool:
            return await kinds() == ["ingress_started"]

        await wait_until(has_begun, "the beginning of this process is an incident")
        assert (await ingress.client.get("/findings")).json() == {"findings": []}
