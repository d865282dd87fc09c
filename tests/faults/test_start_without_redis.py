"""A process starts, and says what is true, whatever state its Redis is in."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from support.cluster import ClusterTopology
from support.processes import WebProcess, WorkerProcess
from support.sentinels import SentinelTopology
from support.servers import RedisServer, free_port
from support.waiting import wait_until

pytestmark = pytest.mark.processes

ECHO = {"AGENT": "echo"}


def frozen_server(stack: ExitStack) -> str:
    server = stack.enter_context(RedisServer())
    server.pause()
    return server.url


def frozen_sentinels(stack: ExitStack) -> str:
    topology = stack.enter_context(SentinelTopology())
    for sentinel in topology.sentinels:
        sentinel.pause()
    return topology.url


def frozen_cluster(stack: ExitStack) -> str:
    cluster = stack.enter_context(ClusterTopology())
    for node in cluster.nodes:
        node.pause()
    return cluster.url


def without_replicas(stack: ExitStack) -> str:
    return stack.enter_context(RedisServer("--min-replicas-to-write", "1")).url


def a_replica(stack: ExitStack) -> str:
    master = stack.enter_context(RedisServer())
    return stack.enter_context(RedisServer("--replicaof", "127.0.0.1", str(master.port))).url


def a_cluster_without_replicas(stack: ExitStack) -> str:
    return stack.enter_context(ClusterTopology("--min-replicas-to-write", "1")).url


AWAY: dict[str, Callable[[ExitStack], str]] = {
    "a server that does not answer": frozen_server,
    "Sentinels that are not there": lambda _: f"redis-sentinel://127.0.0.1:{free_port()}/mymaster",
    "Sentinels that do not answer": frozen_sentinels,
    "a cluster that does not answer": frozen_cluster,
    "a server that refuses writes without its replicas": without_replicas,
    "a replica": a_replica,
    "a cluster that refuses writes without its replicas": a_cluster_without_replicas,
}
"""What a process may find under its REDIS_URL."""


@pytest.fixture(params=AWAY.values(), ids=AWAY.keys())
def away(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a Redis that cannot be worked with."""
    with ExitStack() as stack:
        yield request.param(stack)


async def test_an_ingress_serves_from_memory_and_no_worker_is_ready(away: str, tmp_path: Path) -> None:
    with WebProcess(tmp_path, redis_url=away, **ECHO) as web:
        worker = WorkerProcess(tmp_path, redis_url=away, **ECHO)
        worker.is_ready = lambda: bool(worker.events("worker.redis_down"))  # type: ignore[method-assign]
        with worker:
            await asyncio.to_thread(web.wait_for_event, "redis.start_timed_out", 60)
            async with httpx.AsyncClient(base_url=web.url, timeout=60) as client:
                turn = {"turn_id": "t1", "text": "hello"}
                answer = await client.post("/calls/CA1/turns", json=turn)
                assert (answer.status_code, answer.json()["reply"]["text"]) == (200, "You said: hello")
                assert (await client.get("/readyz")).status_code == 503
                assert (await client.get("/health/detailed")).json()["status"] == "degraded"
            assert not worker.events("worker.ready")
            assert Counter(event["action"] for event in web.events() if "action" in event)["redis.down"] == 1
            assert len(worker.events("worker.redis_down")) == 1
            assert not worker.events("worker.redis_up")


async def test_a_running_system_whose_server_refuses_writes_says_so_once_and_once_that_it_takes_them(
    start_redis, tmp_path: Path
) -> None:
    server = start_redis()
    settings = {"redis_url": server.url, "AGENT": "echo"}
    with WebProcess(tmp_path, **settings) as web, WorkerProcess(tmp_path, **settings) as worker:
        async with httpx.AsyncClient(base_url=web.url, timeout=60) as client:

            async def say(number: int) -> int:
                turn = {"turn_id": f"t{number}", "text": "hello"}
                return (await client.post("/calls/CA1/turns", json=turn)).status_code

            async def is_ready() -> bool:
                return (await client.get("/readyz")).status_code == 200

            await wait_until(is_ready, "calls can be answered")
            assert await say(1) == 200
            server.client().config_set("min-replicas-to-write", 1)

            async def is_not_ready() -> bool:
                return (await client.get("/readyz")).status_code == 503

            await wait_until(is_not_ready, "calls cannot be answered")
            for number in range(2, 6):
                assert await say(number) == 503
            await asyncio.to_thread(worker.wait_for_event, "worker.redis_down")
            server.client().config_set("min-replicas-to-write", 0)
            await wait_until(is_ready, "calls can be answered again")
            for number in range(2, 6):
                assert await say(number) == 200
            await asyncio.to_thread(worker.wait_for_event, "worker.redis_up")
        told = [event["action"] for event in web.events() if event.get("action", "").startswith("redis.")]
        assert told == ["redis.down", "redis.up"]
        assert [len(worker.events(f"worker.redis_{what}")) for what in ("down", "up")] == [1, 1]
