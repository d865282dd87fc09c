"""`/metrics/fleet` and the gauges of `/metrics`, from real processes: what they add up to, and what they do not say."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from support.exposition import described, families, figure
from support.processes import WebProcess, WorkerProcess
from support.puppet import STAGE, Strings
from support.servers import RedisServer
from support.waiting import wait_until

from orchestrator.redis import keys

pytestmark = pytest.mark.processes

TESTS = Path(__file__).parents[1]
SLOTS = 4
RUNS = "voiceagent_agent_run_seconds_count"
HEADERS = {"Authorization": "Bearer key"}


class Fleet:
    """A Redis, an ingress and two workers with `SLOTS` each."""

    def __init__(self, directory: Path, redis: RedisServer) -> None:
        self.redis = redis
        self.strings = Strings(directory)
        settings = {
            "AGENT": "support.puppet:reply", STAGE: str(directory), "RUNS_FILE": str(directory / "runs"),
            "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", "API_KEY": "key", "WORKER_MAX_TURNS": str(SLOTS),
        }  # fmt: skip
        self.workers = [WorkerProcess(directory, redis_url=redis.url, **settings) for _ in range(2)]
        self.web = WebProcess(directory, redis_url=redis.url, **settings)
        self.client = httpx.AsyncClient(headers=HEADERS, timeout=60)

    async def page(self, path: str = "/metrics/fleet") -> str:
        """What an ingress exposes: read strictly, and nothing that is not described."""
        answer = await self.client.get(f"{self.web.url}{path}")
        assert answer.status_code == 200, answer.text
        rows = described()
        for name, metric in families(answer.text).items():
            assert path in rows[name].pages
            assert metric.type == rows[name].kind
            assert {label for sample in metric.samples for label in sample.labels} - {"le"} <= rows[name].labels
        return answer.text

    async def value(self, name: str, path: str = "/metrics/fleet", **labels: str) -> float | None:
        return figure(await self.page(path), name, **labels)

    async def until(self, wanted: float | None, name: str, path: str = "/metrics/fleet", **labels: str) -> None:
        """Wait until the value is this."""

        async def is_there() -> bool:
            return await self.value(name, path, **labels) == wanted

        await wait_until(is_there, f"{name} {labels} is {wanted}", 60)

    async def until_at_least(self, wanted: float, name: str, **labels: str) -> None:
        """Wait until it is counted so often; a turn may be run twice on a machine that is short of time."""

        async def is_counted() -> bool:
            return (await self.value(name, **labels) or 0) >= wanted

        await wait_until(is_counted, f"{name} {labels} is at least {wanted}", 60)

    async def say(self, call_sid: str, turn_id: str, text: str = "hello") -> httpx.Response:
        return await self.client.post(f"{self.web.url}/calls/{call_sid}/turns", json={"turn_id": turn_id, "text": text})


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        fleet = Fleet(tmp_path, redis)
        for process in (*fleet.workers, fleet.web):
            stack.enter_context(process)
        async with fleet.client:
            yield fleet


def running(fleet: Fleet) -> WorkerProcess:
    """The worker that runs the only turn."""
    with fleet.redis.client() as redis:
        statuses = [json.loads(redis.get(key)) for key in redis.scan_iter(match=keys.worker_status("*"))]
    pids = {status["pid"] for status in statuses if status["running"]}
    (worker,) = (worker for worker in fleet.workers if worker.pid in pids)
    return worker


async def test_it_has_what_all_workers_have_counted_and_what_each_does(fleet: Fleet) -> None:
    await fleet.until(2, "voiceagent_fleet_workers", state="running")
    await fleet.until(2 * SLOTS, "voiceagent_worker_slots")
    assert await fleet.value("voiceagent_worker_utilization") == 0
    assert await fleet.value("voiceagent_redis_up") == 1
    assert await fleet.value("voiceagent_calls_rescued_total") == 0, "before the first"
    for number in range(6):
        assert (await fleet.say(f"CA{number}", "t1")).status_code == 200
    await fleet.until_at_least(6, RUNS, agent="support.puppet:reply", outcome="replied")
    await fleet.until_at_least(6, "voiceagent_agent_first_token_seconds_count")
    await fleet.until_at_least(1, "voiceagent_pushed_grants_total")
    await fleet.until_at_least(1, "voiceagent_event_loop_lag_seconds_count")
    assert await fleet.value(RUNS, "/metrics") is None, "none ran in the ingress"
    asking = asyncio.create_task(fleet.say("CA7", "t1", "wait for it"))
    await fleet.until(1, "voiceagent_worker_slots_busy")
    assert await fleet.value("voiceagent_worker_utilization") == 1 / (2 * SLOTS)
    fleet.strings.go("it")
    await asking
    await fleet.until(0, "voiceagent_worker_utilization")


async def test_what_a_worker_has_counted_outlives_it(fleet: Fleet) -> None:
    await fleet.say("CA1", "t1")
    await fleet.until_at_least(1, RUNS)
    asking = asyncio.create_task(fleet.say("CA2", "t1", "wait for it"))
    await fleet.until(1, "voiceagent_worker_slots_busy")
    killed = await asyncio.to_thread(running, fleet)
    await asyncio.to_thread(killed.kill)
    fleet.strings.go("it")
    assert (await asking).json()["outcome"] == "replied"
    await fleet.until_at_least(2, RUNS)
    await fleet.until_at_least(1, "voiceagent_calls_rescued_total")
    await fleet.until(1, "voiceagent_fleet_workers", state="lost")
    assert await fleet.value("voiceagent_worker_slots") == SLOTS


async def test_a_worker_that_leaves_reports_last_what_it_has_counted(fleet: Fleet) -> None:
    for number in range(3):
        await fleet.say(f"CA{number}", "t1")
    for worker in fleet.workers:
        worker.terminate()
    for worker in fleet.workers:
        assert await asyncio.to_thread(worker.wait_exit) == 0
    page = await fleet.page()
    assert (figure(page, RUNS) or 0) >= 3
    assert figure(page, "voiceagent_redis_up") == 1
    gone = ("voiceagent_worker_utilization", "voiceagent_worker_slots", "voiceagent_fleet_workers")
    assert [name for name in gone if figure(page, name) is not None] == [], "absent, not 0"


async def test_a_worker_that_lost_a_lease_says_so(fleet: Fleet) -> None:
    asking = asyncio.create_task(fleet.say("CA1", "t1", "wait for it"))
    await fleet.until(1, "voiceagent_worker_slots_busy")
    frozen = await asyncio.to_thread(running, fleet)
    frozen.freeze()
    runs = fleet.strings.directory / "runs"
    await wait_until(lambda: len(runs.read_text().splitlines()) == 2, "another worker runs the turn")
    frozen.thaw()
    await fleet.until_at_least(1, "voiceagent_leases_lost_total")
    fleet.strings.go("it")
    assert (await asking).json()["outcome"] == "replied"


async def test_while_redis_is_down_it_says_that_and_nothing_else(fleet: Fleet) -> None:
    await fleet.say("CA1", "t1")
    await fleet.until_at_least(1, RUNS)
    assert await fleet.value("voiceagent_redis_breaker_open", "/metrics") == 0
    fleet.redis.kill()
    await fleet.until(0, "voiceagent_redis_up")
    assert set(families(await fleet.page())) == {"voiceagent_redis_up"}
    assert (await fleet.say("CA1", "t2")).status_code == 503
    await fleet.until(1, "voiceagent_redis_breaker_open", "/metrics")
    await fleet.until(1, "voiceagent_redis_outages_total", "/metrics")
    assert await fleet.value("voiceagent_local_calls", "/metrics") == 0
    await asyncio.to_thread(fleet.redis.restart)
    await fleet.until(1, "voiceagent_redis_up")
    await fleet.until(2 * SLOTS, "voiceagent_worker_slots")
    await fleet.until(0, "voiceagent_redis_breaker_open", "/metrics")


async def test_an_ingress_says_how_much_of_its_room_is_taken(fleet: Fleet) -> None:
    page = await fleet.page("/metrics")
    used, limit = figure(page, "voiceagent_open_connections"), figure(page, "voiceagent_connection_limit")
    assert used is not None
    assert limit is not None
    assert 1 <= used < limit
    assert figure(page, "voiceagent_ingress_utilization") == pytest.approx(used / limit)


async def test_only_who_has_the_key_may_read_it(fleet: Fleet) -> None:
    async with httpx.AsyncClient(timeout=60) as stranger:
        assert (await stranger.get(f"{fleet.web.url}/metrics/fleet")).status_code == 401
