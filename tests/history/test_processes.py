"""The history of a deployment: what its web process and its workers have counted, in one place."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from support.processes import WebProcess, WorkerProcess
from support.servers import RedisServer
from support.waiting import wait_until

pytestmark = pytest.mark.processes

TURNS = 3


def sums(points: list[dict[str, Any]], name: str) -> int:
    return sum(point[name] for point in points)


async def test_workers_and_ingresses_add_to_one_history(tmp_path: Path) -> None:
    with RedisServer() as redis:
        settings = {"AGENT": "echo", "API_KEY": "key"}
        with WebProcess(tmp_path, redis_url=redis.url, **settings) as web:
            async with httpx.AsyncClient(base_url=web.url, headers={"Authorization": "Bearer key"}, timeout=60) as api:

                async def points() -> list[dict[str, Any]]:
                    answer = await api.get("/history")
                    assert answer.status_code == 200, answer.text
                    return answer.json()["points"]

                with WorkerProcess(tmp_path, redis_url=redis.url, **settings) as worker:
                    for number in range(TURNS):
                        answer = await api.post("/calls/a/turns", json={"turn_id": f"t{number}", "text": "hello"})
                        assert answer.status_code == 200, answer.text

                    async def is_sampled() -> bool:
                        return any(point["workers"] == 1 and point["active"] == 1 for point in await points())

                    await wait_until(is_sampled, "the worker and the call were seen", 60)
                    worker.terminate()
                    assert worker.wait_exit() == 0
                found = await points()
                assert sums(found, "turns") == TURNS, "a worker that exits adds what it has counted"
                assert sums(found, "calls_started") == 1

                async def are_answered() -> bool:
                    return sum(point["stages"]["reply"]["count"] for point in await points()) == TURNS

                await wait_until(are_answered, "the ingress has added when it answered", 60)
                for stage in ("submitted", "claimed", "first_token", "finished", "committed"):
                    assert sum(point["stages"][stage]["count"] for point in found) == TURNS, stage
                assert {point["utilization"] for point in found if point["workers"]} == {0.0}
