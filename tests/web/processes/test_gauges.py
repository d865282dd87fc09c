"""Gauges of several processes on a port: those that add up do, and those of a process that has ended count no more."""

import os
import signal
from pathlib import Path

import httpx
import pytest
from support.exposition import families, figure
from support.servers import free_port
from support.supervised import PROCESSES, SupervisedWeb
from support.waiting import wait_until

pytestmark = pytest.mark.processes


async def test_breakers_that_are_open_are_counted_over_all_processes_that_run(tmp_path: Path) -> None:
    redis_url = f"redis://127.0.0.1:{free_port()}/0"  # where nobody listens
    with SupervisedWeb(tmp_path, redis_url=redis_url) as web:
        async with httpx.AsyncClient(base_url=web.url, timeout=60) as client:

            async def open_breakers() -> float | None:
                answer = await client.get("/metrics")
                if answer.status_code != 200:
                    return None
                families(answer.text)
                return figure(answer.text, "voiceagent_redis_breaker_open")

            async def is_open_in_all() -> bool:
                return await open_breakers() == PROCESSES

            await wait_until(is_open_in_all, "each process says that its breaker is open")
            killed = web.children()["web.1"]
            os.kill(killed, signal.SIGKILL)
            await wait_until(lambda: web.children().get("web.1", killed) != killed, "another takes its place")
            await wait_until(is_open_in_all, "the one that has ended counts no more")
            page = (await client.get("/metrics")).text
            used, limit = figure(page, "voiceagent_open_connections"), figure(page, "voiceagent_connection_limit")
            assert used
            assert limit
            assert figure(page, "voiceagent_ingress_utilization") == pytest.approx(used / limit)
