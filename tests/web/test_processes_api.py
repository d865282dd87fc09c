"""`GET /processes` and what tells a worker to drain, over Redis and without it."""

import json
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from support.ingress import Ingress, StartIngress
from support.reported_workers import report_process, report_worker

from orchestrator import clock
from orchestrator.processes.redis.presence import RedisPresence
from orchestrator.redis import keys
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.probe import probe


@pytest.fixture
async def ingress(redis_client: Redis, start_ingress: StartIngress) -> AsyncIterator[Ingress]:
    """An ingress that finds the other processes in Redis."""
    async with start_ingress() as ingress, Breaker(lambda: probe(redis_client)) as breaker:
        runtime = ingress.runtime
        runtime.redis, runtime.breaker = redis_client, breaker
        runtime.presence = RedisPresence(redis_client, breaker.guard, "i1")
        yield ingress


async def listed(ingress: Ingress) -> dict[str, dict[str, Any]]:
    answer = await ingress.client.get("/processes")
    assert answer.status_code == 200, answer.text
    return {process["id"]: process for process in answer.json()["processes"]}


async def test_without_redis_the_only_process_is_the_one_that_answers(start_ingress: StartIngress) -> None:
    async with start_ingress() as ingress:
        (process,) = (await listed(ingress)).values()
        assert (process["role"], process["host"], process["pid"]) == ("ingress", socket.gethostname(), os.getpid())
        assert (process["state"], process["sockets"], process["lost_at"]) == ("running", 0, None)
        assert (await ingress.client.post(f"/workers/{process['id']}/drain")).status_code == 404


async def test_every_process_is_listed_and_the_lost_ones_for_ten_minutes(ingress: Ingress, redis_client: Redis) -> None:
    now = clock.now()
    await report_process(redis_client, "w1", host="anna", pid=7, slots=10, running=3)
    await report_process(redis_client, "w2", seen_at=now - 60, running=3)
    await report_process(redis_client, "w3", seen_at=now - 700)
    await report_process(redis_client, "w4", left_at=now)
    await report_process(redis_client, "w5", seen_at=now - 11)
    await report_process(redis_client, "w6", draining=True)
    await report_process(redis_client, "i2", role="ingress", sockets=4)
    await report_worker(redis_client, "old", "2.0")
    found = await listed(ingress)
    states = {name: process["state"] for name, process in found.items()}
    assert states == {
        "i2": "running", "w1": "running", "w5": "silent", "w6": "draining", "old": "running", "w2": "lost",
    }  # fmt: skip
    assert [*found][-1] == "w2", "the lost ones are the last"
    assert (found["w1"]["host"], found["w1"]["pid"], found["w1"]["running"], found["w1"]["sockets"]) == (
        "anna", 7, 3, None,
    )  # fmt: skip
    assert (found["i2"]["role"], found["i2"]["sockets"]) == ("ingress", 4)
    assert found["w2"]["running"] == 0
    assert found["w2"]["lost_at"] is not None
    assert (found["old"]["role"], found["old"]["version"]) == ("worker", "2.0"), "one that reports no presence yet"


async def test_reports_of_strangers_do_no_harm(ingress: Ingress, redis_client: Redis) -> None:
    for name, text in {
        "deep": "[" * 100_000, "odd": '{"seen_at": NaN, "agent": "\\ud800"}', "list": "[]", "binary": b"\xff\x00",
        "huge": json.dumps({"seen_at": clock.now(), "version": "v" * 10_000, "pid": "7", "started_at": 1e300}),
    }.items():  # fmt: skip
        await redis_client.hset(keys.PROCESSES, name, text)  # type: ignore[misc]
    await redis_client.expire(keys.PROCESSES, 100)
    (process,) = (await listed(ingress)).values()
    assert (len(process["version"]), process["pid"], process["started_at"]) == (200, 0, None)


async def test_a_worker_is_told_to_drain_by_a_key_and_a_message(ingress: Ingress, redis_client: Redis) -> None:
    await report_process(redis_client, "w1", features=["drain"])
    async with redis_client.pubsub() as heard:
        await heard.subscribe(keys.control_channel("w1"))
        await heard.get_message(timeout=10)
        for _ in range(2):
            answer = await ingress.client.post("/workers/w1/drain")
            assert (answer.status_code, answer.json()) == (202, {"id": "w1", "state": "draining"})
        message = await heard.get_message(ignore_subscribe_messages=True, timeout=10)
        assert message is not None
    assert 0 < await redis_client.ttl(keys.drain_order("w1")) <= 3600


async def test_only_a_living_worker_that_knows_how_is_told(ingress: Ingress, redis_client: Redis) -> None:
    now = clock.now()
    await report_process(redis_client, "old")
    await report_process(redis_client, "lost", seen_at=now - 60, features=["drain"])
    await report_process(redis_client, "ended", left_at=now, features=["drain"])
    await report_process(redis_client, "i2", role="ingress", features=["drain"])
    for name, status, problem, sentence in (
        ("old", 503, "workers-too-old", "send its process SIGTERM"),
        ("lost", 404, "unknown-process", "No worker that lives has this id"),
        ("ended", 404, "unknown-process", "No worker that lives"),
        ("i2", 404, "unknown-process", "That is an ingress"),
        ("nobody", 404, "unknown-process", "No worker that lives"),
    ):
        answer = await ingress.client.post(f"/workers/{name}/drain")
        told = answer.json()
        assert (answer.status_code, told["type"]) == (status, f"/problems/{problem}"), (name, told)
        assert sentence in told["detail"]
        assert await redis_client.exists(keys.drain_order(name)) == 0
