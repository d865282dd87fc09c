"""What one ingress shows of a call that another ingress has, while a worker answers it, and while no worker does."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.event_streams import event_stream
from support.programs import Start, programs, ready
from support.puppet import STAGE, Strings
from support.servers import free_port
from support.waiting import wait_until

pytestmark = pytest.mark.processes

STREAMING = {"Accept": "text/event-stream"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with programs(tmp_path) as start:
        yield start


async def test_a_call_of_another_ingress_is_followed_word_by_word(start, start_redis, tmp_path):
    strings = Strings(tmp_path)
    settings = {
        "REDIS_URL": start_redis().url, "AGENT": "support.puppet:reply", STAGE: str(tmp_path),
        "RUNS_FILE": str(tmp_path / "runs"), "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    ports = [free_port(), free_port()]
    webs = [start("web", PORT=str(port), **settings) for port in ports]
    worker = start("workers", **settings)
    for port in ports:
        await ready(f"http://127.0.0.1:{port}")
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[0]}", timeout=60) as one,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[1]}", timeout=60) as other,
    ):
        asking = asyncio.create_task(
            one.post("/calls/CA1/turns", json={"turn_id": "t1", "text": "wait for me"}, headers=STREAMING)
        )
        await wait_until(lambda: strings.is_running("me"), "the agent waits")
        async with event_stream(other, "/calls/CA1/live") as call, event_stream(other, "/live") as live:
            await call.until(lambda name, _: name == "state", "the state")
            running = await call.until(lambda name, _: name == "running", "the turn that runs")
            assert (running["turn_id"], running["kind"], running["text"]) == ("t1", "speech", "wait for me")
            if not running["said"]:  # what was said before anybody looked is known from the worker's report
                await call.until(lambda name, data: name == "said" and data["text"] == "Well. ", "what was said")
            await live.until(
                lambda name, data: name == "calls" and any(row["call_sid"] == "CA1" for row in data["changed"]),
                "the call among all",
            )
            strings.go("me")
            answer = (await asking).text
            state = await call.until(lambda name, data: name == "state" and data["turns"], "the commit")
            assert state["turns"][0]["reply"]["text"] in answer

            worker.send_signal(signal.SIGKILL)
            unanswered = asyncio.create_task(
                one.post("/calls/CA1/turns", json={"turn_id": "t2", "text": "anybody?"}, headers=STREAMING)
            )

            def is_held(name: str, data: Any) -> bool:
                return name == "calls" and any(row["why"] == "held" for row in data["changed"])

            await live.until(is_held, "that the call waits for a worker")
            overview = (await other.get("/overview")).json()
            assert overview["waiting"]["count"] == 1
            webs[1].send_signal(signal.SIGTERM)
            await call.rest()
            await live.rest()
        unanswered.cancel()
        await asyncio.gather(unanswered, return_exceptions=True)
    webs[1].wait(30)
    assert webs[1].returncode == 0
