"""`GET /overview` and `GET /live`: what goes on, as it changes."""

import asyncio
from typing import Any

import pytest
from support.event_streams import event_stream
from support.ingress import CALL
from support.waiting import wait_until

from orchestrator.api_keys.key import new_key
from orchestrator.errors import StoreUnavailable
from orchestrator.health.report import SystemStatus
from orchestrator.tasks import cancel_and_wait

UNCACHED = {"overview": 0.0}
KEYS = {scope: new_key(scope, [scope]) for scope in ("read", "admin")}
ENTRIES = ",".join(key.entry for _, key in KEYS.values())


def bearer(scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[scope][0]}"}


async def overview(ingress) -> dict[str, Any]:
    response = await ingress.client.get("/overview")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    return response.json()


def shows(call_sid: str, **fields: Any):
    """What asks whether a call's line, with these fields, is in an event."""
    return lambda name, data: (
        name == "calls"
        and any(
            row["call_sid"] == call_sid and all(row[key] == value for key, value in fields.items())
            for row in data["changed"]
        )
    )


async def test_the_overview_says_how_many_calls_there_are_and_how_long_turns_take(ingress):
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", SpeechResult="good evening")
    seen = await overview(ingress)
    assert (seen["status"], seen["active"], seen["trouble"], seen["running"]) == ("healthy", 1, None, 0)
    assert len(seen["turns"]["latest"]) == 2
    assert seen["turns"]["p95"] >= seen["turns"]["p50"] >= 0
    assert seen["waiting"] == {"count": 0, "seconds": None}


async def test_a_stream_begins_with_everything_and_goes_on_with_what_changes(start_ingress):
    async with start_ingress(timeouts=UNCACHED) as ingress:
        await ingress.begin()
        async with event_stream(ingress.client, "/live") as stream:
            first = await stream.until(lambda name, data: name == "calls", "the calls")
            assert stream.events[0][0] == "overview"
            assert (first["reset"], first["active"], [row["turns"] for row in first["changed"]]) == (True, 1, [1])
            await ingress.twiml("/twilio/turn/1", SpeechResult="good evening")
            said = {"by": "agent", "text": "You said good evening."}
            later = await stream.until(shows(CALL, turns=2, last=said), "what was said")
            assert (later["reset"], later["gone"]) == (False, [])
            await ingress.post("/twilio/status", CallStatus="completed")
            gone = await stream.until(lambda name, data: name == "calls" and data["gone"], "the end")
            assert (gone["gone"], gone["changed"], gone["active"]) == ([CALL], [], 0)


async def test_all_calls_come_in_chunks_of_which_the_first_alone_resets(start_ingress):
    async with start_ingress(timeouts=UNCACHED) as ingress:
        for number in range(1100):
            await ingress.runtime.states.create_state(f"call-{number}")
        await ingress.client.get("/calls")  # reads them all
        async with event_stream(ingress.client, "/live") as stream:
            seen: set[str] = set()

            def complete(name: str, data: Any) -> bool:
                if name == "calls":
                    seen.update(row["call_sid"] for row in data["changed"])
                return len(seen) == 1100

            await stream.until(complete, "all calls")
            events = [data for name, data in stream.events if name == "calls"]
        assert [event["reset"] for event in events] == [True, False, False]
        assert [len(event["changed"]) for event in events] == [500, 500, 100]


async def test_a_turn_without_a_word_for_long_is_slow_and_a_failed_one_is_failing(start_ingress, gate, move_clock):
    async def slow(turn, state):
        if turn.kind == "speech":
            await gate.wait()
            raise RuntimeError("no")
        yield "Hello."

    async with start_ingress(agent=slow, timeouts=UNCACHED) as ingress:
        await ingress.begin()
        async with event_stream(ingress.client, "/live") as stream:
            await stream.until(shows(CALL, health="ok", why=""), "a call that is well")
            asking = asyncio.create_task(ingress.post("/twilio/turn/1", SpeechResult="good evening"))

            async def is_running() -> bool:
                return bool((await overview(ingress))["running"])

            await wait_until(is_running, "the turn runs")
            move_clock(3)
            await stream.until(shows(CALL, health="slow", why="waits"), "a slow call")
            assert (await overview(ingress))["waiting"]["count"] == 1
            gate.set()
            await stream.until(shows(CALL, health="failing", why="failed"), "a failing call")
        await cancel_and_wait(asking)


async def test_while_the_store_is_away_the_overview_says_so_and_the_stream_goes_on(start_ingress, monkeypatch):
    async with start_ingress(timeouts=UNCACHED) as ingress:
        await ingress.begin()
        async with event_stream(ingress.client, "/live") as stream:
            await stream.until(shows(CALL), "the call")

            async def away(*_: object):
                raise StoreUnavailable

            with monkeypatch.context() as patch:
                patch.setattr(ingress.runtime.states, "get_active_calls_count", away)
                patch.setattr(ingress.runtime.states, "get_state", away)
                ingress.report(SystemStatus(False, "Redis at localhost does not answer.", degraded=True))
                trouble = await stream.until(lambda name, data: name == "overview" and data["trouble"], "the trouble")
                assert (trouble["status"], trouble["active"]) == ("degraded", None)
                assert trouble["checks"]["redis"]["message"] == "Redis at localhost does not answer."
                assert (await ingress.client.get("/calls")).status_code == 503
            ingress.report(None)
            await stream.until(lambda name, data: name == "overview" and data["active"] == 1, "all is well again")


async def test_many_who_ask_at_once_cost_one_reading(start_ingress, monkeypatch):
    async with start_ingress() as ingress:
        readings = 0
        count = ingress.runtime.states.get_active_calls_count

        async def counted():
            nonlocal readings
            readings += 1
            await asyncio.sleep(0)
            return await count()

        monkeypatch.setattr(ingress.runtime.states, "get_active_calls_count", counted)
        await asyncio.gather(*(overview(ingress) for _ in range(20)))
        assert readings == 1


async def test_numbers_are_masked_for_who_may_not_see_them(start_ingress):
    async with start_ingress(api_keys=ENTRIES, timeouts=UNCACHED) as ingress:
        body = {"turn_id": "t1", "text": "hello", "from": "+15558675310"}
        await ingress.client.post("/calls/CA1/turns", headers=bearer("admin"), json=body)
        for scope, number in (("read", "+1555•••5310"), ("admin", "+15558675310")):
            for path, name in (("/live", "calls"), ("/calls/CA1/live", "state")):
                async with event_stream(ingress.client, path, bearer(scope)) as stream:
                    data = await stream.until(lambda got, _, name=name: got == name, name)
                    (call,) = data["changed"] if name == "calls" else [data]
                    assert call["from_number"] == number


@pytest.mark.parametrize("path", ["/live", "/calls/CA1/live", "/overview"])
async def test_a_stream_wants_the_key(start_ingress, path):
    async with start_ingress(api_key="k") as ingress:
        assert (await ingress.client.get(path)).status_code == 401


async def test_a_stream_ends_with_its_session(start_ingress, move_clock):
    async with start_ingress(api_key="k", timeouts=UNCACHED) as ingress:
        opened = await ingress.client.post("/session", json={"key": "k"})
        assert opened.status_code == 200
        await ingress.client.post(
            "/calls/c1/turns", json={"turn_id": "t1", "text": "hi"}, headers={"Origin": ingress.url}
        )
        async with (
            event_stream(ingress.client, "/live") as live,
            event_stream(ingress.client, "/calls/c1/live") as call,
        ):
            await live.until(shows("c1"), "the call among all")
            await call.until(lambda name, data: name == "state", "its state")
            move_clock(13 * 3600)
            await live.rest()
            await call.rest()


async def test_a_head_request_gets_no_stream(ingress):
    response = await ingress.client.head("/live")
    assert (response.status_code, response.content) == (200, b"")


async def test_who_looks_again_gets_all_calls_again(start_ingress):
    async with start_ingress(timeouts=UNCACHED) as ingress:
        await ingress.begin()
        for _ in range(2):
            async with event_stream(ingress.client, "/live") as stream:
                first = await stream.until(lambda name, data: name == "calls", "the calls")
                assert (first["reset"], [row["call_sid"] for row in first["changed"]]) == (True, [CALL])
