"""What happens in a call that an ingress runs while Redis is down is told once, when Redis is up."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from support.processes import WebProcess, WorkerProcess
from support.told_events import whole_lines
from support.waiting import wait_until

pytestmark = pytest.mark.processes


async def test_the_events_of_a_call_that_began_in_memory_are_told_by_a_worker(start_redis, tmp_path: Path) -> None:
    server, path = start_redis(), tmp_path / "events.jsonl"
    settings = {
        "redis_url": server.url, "AGENT": "echo", "EVENTS_FILE": str(path),
        "EVENTS": "call.started,turn.completed,call.ended",
    }  # fmt: skip

    def told() -> list[dict]:
        return [json.loads(line) for line in whole_lines(path)]

    server.pause()
    with WebProcess(tmp_path, **settings) as web:
        await asyncio.to_thread(web.wait_for_event, "redis.start_timed_out", 60)
        async with httpx.AsyncClient(base_url=web.url, timeout=60) as client:

            async def say(number: int, text: str) -> int:
                return (await client.post("/calls/CA1/turns", json={"turn_id": f"t{number}", "text": text})).status_code

            assert await say(1, "hello") == 200
            assert await say(2, "again") == 200
            server.resume()
            await asyncio.to_thread(web.wait_for_event, "call.written_back", 60)
            assert told() == [], "an ingress delivers nothing"
            with WorkerProcess(tmp_path, **settings):
                await wait_until(lambda: len(told()) == 3, "what happened meanwhile was told")
                assert await say(3, "bye") == 200
                await wait_until(lambda: any(event["type"] == "call.ended" for event in told()), "the end was told")
    assert [event["type"] for event in told()] == ["call.started", *["turn.completed"] * 3, "call.ended"]
    assert [event["data"]["seq"] for event in told()] == [1, 2, 3, 4, 5]
    assert [turn["text"] for turn in told()[-1]["data"]["turns"]] == ["hello", "again", "bye"]
