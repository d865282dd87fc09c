"""The dashboard of one ingress while a worker runs a turn of another ingress, and when that worker is lost."""

import asyncio
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.programs import Start, programs, ready
from support.puppet import STAGE, Strings
from support.servers import free_port
from support.waiting import wait_until

pytestmark = pytest.mark.processes

CLOCKS_DIFFER_BY = timedelta(seconds=2)
"""At most: each process has the server's time from an answer that took its time."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with programs(tmp_path) as start:
        yield start


async def test_what_is_said_to_another_ingress_is_seen_and_a_lost_worker_is_told(start, start_redis, tmp_path):
    strings = Strings(tmp_path)
    settings = {
        "REDIS_URL": start_redis().url, "AGENT": "support.puppet:reply", STAGE: str(tmp_path),
        "RUNS_FILE": str(tmp_path / "runs"), "PYTHONPATH": str(Path(__file__).parents[1]),
    }  # fmt: skip
    ports = [free_port(), free_port()]
    for port in ports:
        start("web", PORT=str(port), **settings)
    worker = start("workers", **settings)
    for port in ports:
        await ready(f"http://127.0.0.1:{port}")
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[0]}", timeout=60) as one,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[1]}", timeout=60) as other,
    ):
        body = {"turn_id": "t1", "text": "wait for me"}
        streaming = {"Accept": "text/event-stream"}
        asking = asyncio.create_task(one.post("/calls/CA1/turns", json=body, headers=streaming))
        await wait_until(lambda: strings.is_running("me"), "the agent waits")

        async def seen() -> dict[str, Any]:
            return (await other.get("/dashboard/data")).json()

        async def spoken() -> list[dict[str, Any]]:
            return [turn for turn in (await seen())["running"] if turn["said"]]

        (turn,) = await wait_until(spoken, "the other ingress sees the turn, and what was said")
        assert (turn["call_sid"], turn["text"], turn["said"]) == ("CA1", "wait for me", "Well. ")
        strings.go("me")
        assert (await asking).status_code == 200
        (recorded,) = (await other.get("/calls/CA1")).json()["turns"]
        received, spoken_at, committed = (
            datetime.fromisoformat(recorded[name]) for name in ("received_at", "first_word_at", "committed_at")
        )
        assert received - CLOCKS_DIFFER_BY <= spoken_at <= committed

        worker.send_signal(signal.SIGKILL)

        async def lost() -> list[dict[str, Any]]:
            return [worker for worker in (await seen())["workers"] or [] if worker["state"] == "lost"]

        await wait_until(lost, "the worker is told as lost", 60)
        assert "1 worker was lost" in (await seen())["concern"]
