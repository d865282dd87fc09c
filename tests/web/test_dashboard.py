"""The dashboard: what it shows, to whom, and that callers' words never become markup."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
from support.ingress import CALL
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable
from orchestrator.health.report import SystemStatus
from orchestrator.tasks import cancel_and_wait
from web.dashboard.snapshot import MOST_CALLS
from web.dashboard.stats import LatestTurns, calls_to_show, percentile, summary, waiting
from web.dashboard.worker_history import REMEMBERED_SECONDS, WorkerHistory, worker_warning

UNCACHED = {"dashboard": 0.0}
KEY = "a key with ünicode"
FILES = ["/dashboard", "/dashboard/page/main.js", "/dashboard/page/css/base.css", "/dashboard/icon.svg"]


def bearer(key: str) -> dict[str, bytes]:
    return {"Authorization": f"Bearer {key}".encode()}


async def look(ingress):
    response = await ingress.client.get("/dashboard/data")
    assert response.status_code == 200
    return response.json()


def record(seconds: float, at: int = 0, **fields) -> TurnRecord:
    began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=at)
    turn = Turn(turn_id=f"t{at}", call_sid="c", kind="speech", text="hi", received_at=began)
    made = TurnRecord.of(turn, "replied", Reply(text=""))
    return made.model_copy(update={"committed_at": began + timedelta(seconds=seconds), **fields})


async def test_the_live_calls_are_told_with_what_was_said_last(ingress):
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", SpeechResult="good evening")
    seen = await look(ingress)
    assert (seen["status"], seen["active"], seen["trouble"]) == ("healthy", 1, None)
    (call,) = seen["calls"]
    assert (call["call_sid"], call["from_number"], call["turns"]) == (CALL, "+15558675310", 2)
    assert call["last"] == {"by": "agent", "text": "You said good evening."}
    assert len(seen["turns"]["latest"]) == 2
    assert seen["turns"]["p95"] >= seen["turns"]["p50"] >= 0


async def test_an_ended_call_leaves_the_list_and_its_transcript_stays(ingress):
    await ingress.begin()
    await ingress.post("/twilio/status", CallStatus="completed")
    assert (await look(ingress))["calls"] == []
    assert (await ingress.client.get(f"/calls/{CALL}")).json()["ended"]["status"] == "completed"


async def test_the_workers_are_told_as_they_describe_themselves(ingress):
    ingress.report(SystemStatus(True, "", workers=1), [{"id": "w1", "pid": 7, "running": 2}])
    seen = await look(ingress)
    assert seen["workers"] == [{"id": "w1", "pid": 7, "running": 2, "state": "alive"}]
    assert seen["checks"]["workers"]["count"] == 1


async def test_all_who_look_at_once_cost_one_reading(ingress, monkeypatch):
    readings = 0
    count = ingress.runtime.states.get_all_call_sids

    async def counted():
        nonlocal readings
        readings += 1
        await asyncio.sleep(0)
        return await count()

    monkeypatch.setattr(ingress.runtime.states, "get_all_call_sids", counted)
    await asyncio.gather(*(look(ingress) for _ in range(20)))
    assert readings == 1


async def test_of_many_calls_those_that_did_something_last_are_shown(ingress):
    for number in range(MOST_CALLS + 5):
        await ingress.runtime.states.create_state(f"call-{number}")
    seen = await look(ingress)
    assert (seen["active"], len(seen["calls"])) == (MOST_CALLS + 5, MOST_CALLS)
    assert {"call-0", f"call-{MOST_CALLS + 4}"} & {c["call_sid"] for c in seen["calls"]} == {f"call-{MOST_CALLS + 4}"}


async def test_while_the_store_is_away_the_page_says_so_and_goes_on(ingress, monkeypatch):
    async def away():
        raise StoreUnavailable

    monkeypatch.setattr(ingress.runtime.states, "get_all_call_sids", away)
    ingress.report(SystemStatus(False, "Redis at localhost does not answer.", degraded=True))
    seen = await look(ingress)
    assert (seen["status"], seen["active"], seen["calls"]) == ("degraded", None, None)
    assert seen["trouble"].startswith("Redis does not answer")
    assert seen["checks"]["redis"]["message"] == "Redis at localhost does not answer."


async def test_with_a_key_the_data_wants_it_and_the_page_asks_for_it(start_ingress):
    async with start_ingress(api_key=KEY) as ingress:
        for path in FILES:
            response = await ingress.client.get(path, headers={"X-Forwarded-For": "203.0.113.9"})
            assert response.status_code == 200
        for headers in ({}, bearer("wrong"), {"Authorization": "Basic " + KEY.encode().hex()}):
            assert (await ingress.client.get("/dashboard/data", headers=headers)).status_code == 401
        assert (await ingress.client.get("/dashboard/data", headers=bearer(KEY))).status_code == 200


@pytest.mark.parametrize("path", [*FILES, "/dashboard/data"])
async def test_without_a_key_only_this_machine_sees_it(ingress, path):
    assert (await ingress.client.get(path)).status_code == 200
    assert (await ingress.client.get(path, headers={"X-Forwarded-For": "203.0.113.9"})).status_code == 403


@pytest.mark.parametrize("path", [*FILES, "/dashboard/data"])
async def test_without_a_key_it_is_off_in_production(start_ingress, path):
    async with start_ingress(environment="production") as ingress:
        response = await ingress.client.get(path)
        assert response.status_code == 403
        assert "API_KEY" in response.text


@pytest.mark.parametrize("path", FILES)
async def test_the_page_may_load_and_run_nothing_but_its_own_files(ingress, path):
    response = await ingress.client.get(path)
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "http://" not in response.text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in response.text
    for danger in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick="):
        assert danger not in response.text


async def test_the_files_are_asked_for_again_and_sent_only_when_changed(ingress):
    first = await ingress.client.get("/dashboard/page/main.js")
    again = await ingress.client.get("/dashboard/page/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await ingress.client.get("/dashboard/data")).headers["cache-control"] == "no-store"


def test_the_latest_turns_are_timed_from_their_arrival_to_their_commit():
    states = [ConversationState(call_sid=f"c{n}", turns=[record(n + 1, at=n)]) for n in range(100)]
    latest = LatestTurns()
    latest.add(reversed(states))
    stats = latest.stats()
    assert [turn["seconds"] for turn in stats["latest"]] == [float(n) for n in range(41, 101)]
    assert (stats["p50"], stats["p95"]) == (70.0, 97.0)


def test_clocks_that_differ_between_machines_give_no_negative_time():
    latest = LatestTurns()
    latest.add([ConversationState(call_sid="c", turns=[record(-3)])])
    assert latest.stats()["p50"] == 0.0


def test_a_turn_whose_words_go_out_as_they_are_said_is_timed_to_its_first_word():
    latest, spoken = LatestTurns(), record(9)
    spoken.first_word_at = spoken.received_at + timedelta(seconds=0.25)
    latest.add([ConversationState(call_sid="c", turns=[spoken])])
    assert latest.stats()["p50"] == 0.25


async def test_the_turns_of_a_call_that_has_ended_still_count(start_ingress):
    async with start_ingress(timeouts=UNCACHED) as ingress:
        await ingress.begin()
        assert len((await look(ingress))["turns"]["latest"]) == 1
        await ingress.twiml("/twilio/turn/1", SpeechResult="good evening")
        await ingress.post("/twilio/status", CallStatus="completed")
        for _ in range(2):
            seen = await look(ingress)
            assert (seen["active"], len(seen["turns"]["latest"])) == (0, 2)


async def test_a_turn_is_told_while_it_is_answered_as_one_that_waits_and_as_it_grows(start_ingress, gate):
    async def slow(turn, state):
        if turn.kind == "speech":
            await gate.wait()
            yield "Let me "
            await asyncio.Event().wait()
        yield "Hello."

    async with start_ingress(agent=slow, timeouts=UNCACHED) as ingress:
        await ingress.begin()
        asking = asyncio.create_task(ingress.twiml("/twilio/turn/1", SpeechResult="good evening"))

        async def running():
            return (await look(ingress))["running"]

        (turn,) = await wait_until(running, "the turn runs")
        assert (turn["call_sid"], turn["kind"], turn["text"], turn["said"]) == (CALL, "speech", "good evening", "")
        seen = await look(ingress)
        assert seen["waiting"]["count"] == 1
        assert seen["waiting"]["seconds"] >= 0
        gate.set()

        async def has_spoken():
            return [turn for turn in await running() if turn["said"] == "Let me "]

        await wait_until(has_spoken, "the first words are told")
        assert (await look(ingress))["waiting"] == {"count": 0, "seconds": None}
        await cancel_and_wait(asking)


async def test_a_failed_turn_has_a_reason_that_quotes_nobody(start_ingress):
    async def failing(turn, state):
        yield "Well. "
        raise RuntimeError(f"cannot do {turn.text!r}")

    async with start_ingress(agent=failing) as ingress:
        await ingress.begin()
        turn = (await ingress.client.get(f"/calls/{CALL}")).json()["turns"][0]
    assert turn["outcome"] == "failed"
    assert re.fullmatch(r"the agent raised RuntimeError \(test_dashboard\.py:\d+ in failing\)", turn["reason"])


def test_a_worker_that_is_lost_is_told_for_ten_minutes_and_one_that_left_is_not():
    history, alive, leaving = (
        WorkerHistory(),
        {"id": "a", "seen_at": 100.0, "running": 1},
        {"id": "b", "seen_at": 100.0},
    )
    assert [worker["state"] for worker in history.update([alive, leaving], now=101.0)] == ["alive", "alive"]
    assert worker_warning(history.update([alive], now=104.0)) is None
    assert [worker["state"] for worker in history.update([alive], now=112.0)] == ["silent"]
    assert worker_warning(history.update([alive], now=112.0)) == "1 worker has fallen silent."
    lost = {**alive, "lost": True}
    for now, workers in ((116.0, [lost]), (400.0, [])):
        (worker,) = history.update(workers, now=now)
        assert (worker["state"], worker["running"]) == ("lost", 0)
        assert worker_warning([worker]) == "1 worker was lost in the last ten minutes: see their logs."
    assert history.update([], now=100.0 + REMEMBERED_SECONDS) == []


def test_a_worker_that_was_frozen_and_is_back_is_not_lost():
    history = WorkerHistory()
    history.update([{"id": "a", "seen_at": 100.0, "lost": True}], now=120.0)
    assert [worker["state"] for worker in history.update([{"id": "a", "seen_at": 121.0}], now=121.0)] == ["alive"]


async def test_after_the_loss_of_workers_the_page_is_not_green(ingress):
    ingress.report(
        SystemStatus(True, "", workers=1), [{"id": name, "seen_at": clock.now() - 20, "lost": True} for name in "abc"]
    )
    seen = await look(ingress)
    assert seen["status"] == "degraded"
    assert seen["concern"].startswith("3 workers were lost")


def test_calls_that_are_shown_stay_until_they_end():
    first = calls_to_show([], [str(number) for number in range(10)], most=3)
    assert first == ["9", "8", "7"]
    assert calls_to_show(first, ["9", "8", "7", "0", "1", "2"], most=3) == first
    assert calls_to_show(first, ["9", "7", "0", "1"], most=3) == ["9", "7", "1"]


def test_who_has_heard_a_word_does_not_wait():
    turns = [{"since": 10.0, "said": ""}, {"since": 2.0, "said": "Well"}, {"since": 1.0, "kind": "ended"}]
    assert waiting(turns, 15.0) == {"count": 1, "seconds": 5.0}
    assert waiting([], 15.0) == {"count": 0, "seconds": None}


def test_percentiles_are_values_that_occurred():
    assert percentile([], 50) is None
    assert percentile([3.0], 95) == 3.0
    assert [percentile([1.0, 2.0, 3.0, 4.0], percent) for percent in (50, 75, 100)] == [2.0, 3.0, 4.0]


def test_a_long_last_word_is_cut_and_unheard_text_is_not_shown_as_said():
    told = record(1, reply=Reply(text="x" * 500), heard="x" * 300)
    last = summary(ConversationState(call_sid="c", turns=[told]))["last"]
    assert (last["by"], len(last["text"])) == ("agent", 160)
