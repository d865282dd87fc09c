"""`/events`: what is not delivered, and what is done about it, with either outbox."""

import base64
import json
from contextlib import nullcontext
from typing import Any

import pytest
from redis.asyncio import Redis
from support.ingress import Ingress
from support.waiting import wait_until
from support.webhook_receiver import WebhookReceiver, status

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import Outbox, StoppedSink
from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.example_events import DEAD, an_event, announcement, delivery, failed, head_of, settle_all

SINKS = ("file", "hook")


@pytest.fixture(params=["memory", "redis"])
async def outbox(request: pytest.FixtureRequest, ingress: Ingress, redis_client: Redis) -> Outbox:
    """The ingress's outbox: CA1 has an event that is dead for the hook, and pending for the file; CA2 a pending one."""
    states = InMemoryStateManager(100)
    if request.param == "memory":
        outbox: MemoryOutbox | RedisOutbox = MemoryOutbox(states, SINKS)
    else:
        outbox = RedisOutbox(StoreConnection(redis_client, nullcontext), shards_of(redis_client), sinks=SINKS)
    for call_sid, events in (("CA1", [an_event("a", SINKS)]), ("CA2", [an_event("b", ("hook",))])):
        for new in events:
            new.event.data["call_sid"] = call_sid
        told = announcement(head_of(await states.create_state(call_sid)), *events)
        outbox.announce(told) if isinstance(outbox, MemoryOutbox) else await outbox.accept(told)
    claimed = await outbox.claim("CA1", "anna")
    assert claimed is not None
    await outbox.settle(claimed.lease, "hook", 1, DEAD)
    await outbox.release(claimed.lease)
    ingress.runtime.outbox = outbox
    return outbox


async def listed(ingress: Ingress, **query: str) -> list[str]:
    response = await ingress.client.get("/events", params=query)
    assert response.status_code == 200, response.text
    return sorted(f"{it['call_sid']} {it['sink']} {it['state']}" for it in response.json()["events"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["CA1 file pending", "CA1 hook dead", "CA2 hook pending"]),
        ({"state": "dead"}, ["CA1 hook dead"]),
        ({"state": "pending", "sink": "hook"}, ["CA2 hook pending"]),
        ({"call_sid": "CA1"}, ["CA1 file pending", "CA1 hook dead"]),
        ({"call_sid": "CA9"}, []),
        ({"sink": "nobody"}, []),
    ],
)
async def test_what_is_not_delivered_is_listed(ingress, outbox, query, expected) -> None:
    assert await listed(ingress, **query) == expected


async def test_a_delivery_says_what_became_of_it_and_not_what_was_said(ingress, outbox) -> None:
    response = await ingress.client.get("/events/CA1")
    file, hook = response.json()["events"]
    assert set(file) == {
        "call_sid", "position", "seq", "id", "type", "timestamp", "sink", "state", "attempts", "error", "next_at",
        "dead_at", "bytes",
    }  # fmt: skip
    assert (hook["attempts"], hook["error"], hook["next_at"]) == (1, "It said no.", None)
    assert hook["dead_at"].endswith("Z")
    assert (file["attempts"], file["error"], file["dead_at"]) == (0, None, None)
    assert file["id"] == hook["id"]
    assert (await ingress.client.get("/events/CA9")).json() == {"events": []}


async def test_the_list_is_paged(ingress, outbox) -> None:
    seen, cursor = [], ""
    for _ in range(10):
        page = (await ingress.client.get("/events", params={"limit": "1", "cursor": cursor})).json()
        assert len(page["events"]) <= 1
        seen += [(it["call_sid"], it["sink"]) for it in page["events"]]
        if not (cursor := page["next_cursor"] or ""):
            break
    assert sorted(seen) == [("CA1", "file"), ("CA1", "hook"), ("CA2", "hook")]


async def test_an_event_is_shown_as_its_sinks_get_it(ingress, outbox) -> None:
    page = (await ingress.client.get("/events/CA1/1")).json()
    assert page["event"]["data"] == {"call_sid": "CA1", "text": "a", "seq": 1}
    assert [it["sink"] for it in page["deliveries"]] == ["file", "hook"]


async def test_a_dead_event_is_replayed(ingress, outbox) -> None:
    response = await ingress.client.post("/events/CA1/1/replay")
    assert (response.status_code, response.json()) == (200, {"replayed": 1})
    assert await listed(ingress, sink="hook") == ["CA1 hook pending", "CA2 hook pending"]


async def test_what_is_pending_is_not_replayed(ingress, outbox) -> None:
    response = await ingress.client.post("/events/CA1/1/replay?sink=file")
    assert response.status_code == 409
    assert "Only a dead event" in response.json()["error"]


async def test_an_event_is_dropped_for_one_sink_or_for_all(ingress, outbox) -> None:
    assert (await ingress.client.delete("/events/CA1/1?sink=hook")).json() == {"dropped": 1}
    assert await listed(ingress) == ["CA1 file pending", "CA2 hook pending"]
    assert (await ingress.client.delete("/events/CA1/1")).json() == {"dropped": 1}
    assert await listed(ingress) == ["CA2 hook pending"]
    assert (await ingress.client.delete("/events/CA1/1")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/events/CA1/7", 404, "No such event waits"),
        ("GET", "/events/CA1/1x", 404, "No such event waits"),
        ("GET", f"/events/CA1/{'9' * 400}", 404, "No such event waits"),
        ("POST", "/events/CA1/7/replay", 404, "No such event waits"),
        ("DELETE", "/events/CA1/1?sink=nobody", 404, "No such event waits"),
        ("GET", "/events?state=gone", 422, "state must be pending or dead"),
        ("GET", "/events?limit=0", 422, "limit must be"),
        ("GET", "/events?cursor=rubbish", 422, "no cursor"),
        ("GET", f"/events?cursor={'W1tb' * 2000}", 422, "no cursor"),
        ("GET", "/events?call_sid=%7B%7D", 400, "call SID"),
        ("GET", "/events/%7B%7D", 400, "call SID"),
        ("POST", "/sinks/hook/resume", 404, "No sink of this name is stopped"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_sentence(ingress, outbox, method, path, status, sentence) -> None:
    response = await ingress.client.request(method, path)
    assert response.status_code == status
    assert sentence in response.json()["error"]


async def test_what_failed_is_tried_at_once(ingress, outbox) -> None:
    claimed = await delivery(outbox, "CA2")
    await settle_all(outbox, claimed, failed(3600))
    await outbox.release(claimed.lease)
    await outbox.due()
    assert (await ingress.client.post("/sinks/hook/retry")).json() == {"calls": 1}
    assert "CA2" in await outbox.due()
    assert (await ingress.client.post("/sinks/nobody/retry")).json() == {"calls": 0}


async def test_a_stopped_sink_is_resumed(ingress, outbox) -> None:
    await outbox.stop_sink(StoppedSink("hook", "f", "It answered 410.", clock.now()))
    assert (await ingress.client.post("/sinks/hook/resume")).status_code == 204
    assert await outbox.stopped_sinks() == []


async def test_without_sinks_there_is_nothing_to_list(ingress) -> None:
    for path in ("/events", "/events/CA1", "/events/CA1/1"):
        response = await ingress.client.get(path)
        assert response.status_code == 404
        assert "EVENTS_WEBHOOK_URL" in response.json()["error"]


async def test_events_are_for_those_with_the_key(start_ingress) -> None:
    async with start_ingress(api_key="k", events_file="events.jsonl") as ingress:
        for method, path in (
            ("GET", "/events"), ("GET", "/events/CA1"), ("GET", "/events/CA1/1"), ("DELETE", "/events/CA1/1"),
            ("POST", "/events/CA1/1/replay"), ("POST", "/sinks/hook/resume"), ("POST", "/sinks/hook/retry"),
        ):  # fmt: skip
            assert (await ingress.client.request(method, path)).status_code == 401


async def test_a_store_that_is_down_is_answered_with_503(ingress) -> None:
    class Down(MemoryOutbox):
        async def survey(self, cursor: str = "", most: int = 100):
            raise StoreUnavailable

    ingress.runtime.outbox = Down(InMemoryStateManager(100), SINKS)
    response = await ingress.client.get("/events")
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


async def test_a_process_without_redis_answers_for_its_own_outbox(start_ingress) -> None:
    async with WebhookReceiver(status(500)) as receiver:
        settings = {
            "events_webhook_url": receiver.url, "events_webhook_secret": base64.b64encode(bytes(24)).decode(),
            "events_allow_private": True,
        }  # fmt: skip
        async with start_ingress(**settings) as ingress:
            await ingress.client.post("/calls/demo/turns", json={"turn_id": "t1", "text": "hello"})

            async def first_of_demo() -> dict[str, Any]:
                found = (await ingress.client.get("/events/demo")).json()["events"]
                return found[0] if found else {}

            async def has_failed() -> bool:
                return (await first_of_demo()).get("error") == "The webhook answered with HTTP status 500."

            async def is_delivered() -> bool:
                return await first_of_demo() == {}

            async def is_surveyed() -> bool:
                checks = (await ingress.client.get("/health/detailed")).json()["checks"]
                return checks["events"]["status"] == "healthy"

            await wait_until(has_failed, "the receiver has refused it once")
            await wait_until(is_surveyed, "the outbox was surveyed")
            assert (await ingress.client.post("/sinks/webhook/retry")).json() == {"calls": 1}
            await wait_until(is_delivered, "the receiver has it")
            assert [json.loads(request.body)["type"] for request in receiver.received] == ["call.started"] * 2
