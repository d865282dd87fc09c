"""`GET /history`: what an ingress counted, in figures."""

from typing import Any

import pytest
from support.waiting import wait_until

from orchestrator.api_keys.key import new_key
from orchestrator.errors import StoreUnavailable

RECORDS = {"record": 0.02, "fresh": 0}


async def total(ingress, name: str) -> Any:
    answer = await ingress.client.get("/history")
    assert answer.status_code == 200, answer.text
    return sum(point[name] for point in answer.json()["points"])


async def test_turns_and_calls_are_in_the_history(start_ingress) -> None:
    async with start_ingress(timeouts=RECORDS) as ingress:
        await ingress.begin()
        await ingress.twiml("/twilio/turn/1", SpeechResult="hello")
        await ingress.post("/twilio/status", CallStatus="completed")

        async def is_counted() -> bool:
            return await total(ingress, "calls_ended") == 1

        await wait_until(is_counted, "the end of the call is in the history")
        points = (await ingress.client.get("/history?hours=1&step=900")).json()["points"]
        assert sum(point["calls_started"] for point in points) == 1
        assert sum(point["outcomes"].get("replied", 0) for point in points) >= 2
        for stage in ("submitted", "committed", "first_word", "reply"):
            found = [point["stages"][stage] for point in points if point["stages"][stage]["count"]]
            assert sum(it["count"] for it in found) == 2, stage
            assert all(0 <= it["p50_ms"] <= it["p95_ms"] <= it["p99_ms"] for it in found)


async def test_the_calls_that_are_active_are_sampled(start_ingress) -> None:
    async with start_ingress(timeouts=RECORDS) as ingress:
        await ingress.begin()

        async def is_sampled() -> bool:
            points = (await ingress.client.get("/history")).json()["points"]
            return any(point["active"] == 1 for point in points)

        await wait_until(is_sampled, "the active call is in the history")
        last = (await ingress.client.get("/history")).json()["points"][-1]
        assert [last[name] for name in ("workers", "queue_depth", "oldest_wait_seconds", "utilization")] == [None] * 4


async def test_one_may_ask_for_up_to_a_day(start_ingress) -> None:
    async with start_ingress() as ingress:
        for query, points in (("", 60), ("?hours=24&step=900", 96), ("?hours=24", 1440), ("?hours=6&step=300", 72)):
            page = (await ingress.client.get(f"/history{query}")).json()
            assert len(page["points"]) == points
        for query in ("hours=0", "hours=25", "hours=x", "hours=", "step=61", "step=", "hours=١"):
            answer = await ingress.client.get(f"/history?{query}")
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_a_key_that_may_read_gets_the_same_figures(start_ingress) -> None:
    text, key = new_key("reads", ["read"])
    async with start_ingress(api_keys=key.entry, api_key="whole") as ingress:
        pages = [
            (await ingress.client.get("/history", headers={"Authorization": f"Bearer {bearer}"})).json()
            for bearer in (text, "whole")
        ]
        assert [len(page["points"]) for page in pages] == [60, 60]
        assert (await ingress.client.get("/history")).status_code == 401


async def test_while_the_store_is_down_the_history_says_so(start_ingress, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start_ingress() as ingress:

        async def fail(minutes: object) -> None:
            raise StoreUnavailable("Redis does not answer.")

        monkeypatch.setattr(ingress.runtime.history, "read", fail)
        answer = await ingress.client.get("/history")
        assert (answer.status_code, answer.json()["error"]) == (503, "Redis does not answer.")
