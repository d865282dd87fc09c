"""Placed calls: over the provider's REST API, once for each key, and answered like any other call."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from starlette.responses import JSONResponse, PlainTextResponse
from support.ingress import TOKEN, started_ingress
from support.servers import free_port
from support.twilio_api import ACCOUNT, TwilioApi, twilio_api
from support.waiting import wait_until
from twilio.request_validator import RequestValidator

from orchestrator.clock import utc_now
from orchestrator.conversation.silence import seconds_open
from orchestrator.conversation.state import EndRecord
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.turns.abandoned_calls import is_abandoned
from web.outbound.call_state import create_placed_state

PUBLIC = "https://calls.example.com"
KEY = "sesame"
TO, FROM = "+15558675310", "+15551230000"


@pytest.fixture
async def api() -> AsyncIterator[TwilioApi]:
    async with twilio_api() as served:
        yield served


@asynccontextmanager
async def placing(api: TwilioApi, **changes):
    settings = {
        "twilio_account_sid": ACCOUNT, "twilio_api_base_url": api.url, "public_base_url": PUBLIC,
        "twilio_from_number": FROM, "api_key": KEY, **changes,
    }  # fmt: skip
    async with started_ingress(**settings) as ingress:
        ingress.client.headers["Authorization"] = f"Bearer {KEY}"
        yield ingress


async def order(ingress, key: str | None = None, **fields):
    headers = {"Idempotency-Key": key} if key else {}
    return await ingress.client.post("/calls", json={"to": TO, **fields}, headers=headers)


async def posted(ingress, path: str, **fields: str):
    """Post a signed webhook of a placed call at its public URL."""
    form = {"CallSid": ingress.call_sid, "From": FROM, "To": TO, "Direction": "outbound-api", **fields}
    signature = RequestValidator(TOKEN).compute_signature(PUBLIC + path, form)
    return await ingress.client.post(path, data=form, headers={"X-Twilio-Signature": signature})


async def answered(ingress, api: TwilioApi, **fields: str):
    """Request the webhook that the placed call names, as the provider does when somebody answers."""
    parts = urlsplit(api.placed[-1]["Url"][0])
    response = await posted(ingress, f"{parts.path}?{parts.query}", CallStatus="in-progress", **fields)
    assert response.status_code == 200
    return response


async def reported(ingress, call_sid: str, status: str):
    """Post a status callback."""
    response = await posted(ingress, "/twilio/status", CallSid=call_sid, CallStatus=status)
    assert response.status_code == 204


async def ended(ingress, call_sid: str):
    """The state of the call, once it has ended."""

    async def look():
        state = await ingress.runtime.states.get_state(call_sid)
        return state if state is not None and state.ended is not None else None

    return await wait_until(look, "the call has ended")


async def placed(ingress, key: str | None = None, **fields) -> str:
    """Place a call and return its SID."""
    response = await order(ingress, key, **fields)
    assert response.status_code == 201, response.text
    return response.json()["call_sid"]


async def test_a_call_is_placed_with_where_to_ask_and_where_to_report(api):
    async with placing(api) as ingress:
        response = await order(ingress, ring_seconds=20)
        assert response.status_code == 201
        call_sid = response.json()["call_sid"]
        assert response.json() == {"call_sid": call_sid, "status": "queued"}
        assert response.headers["location"] == f"/calls/{call_sid}"
        (form,) = api.placed
        assert (form["To"], form["From"], form["Timeout"]) == ([TO], [FROM], ["20"])
        assert form["Url"][0].startswith(PUBLIC + "/twilio/voice?")
        assert form["StatusCallback"] == [PUBLIC + "/twilio/status"]
        assert form["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]
        assert "MachineDetection" not in form
        state = await ingress.runtime.states.get_state(call_sid)
        assert (state.direction, state.from_number, state.to_number) == ("outbound-api", FROM, TO)
        assert (state.is_active, state.channel, state.turns) == (True, "gather", [])


async def test_the_answered_call_knows_its_errand_and_nobody_on_the_way_can_read_it(api):
    async with placing(api) as ingress:
        await order(ingress, slots={"patient": "Ada Lovelace"})
        assert "Ada" not in api.placed[0]["Url"][0]
        assert "Hello!" in (await answered(ingress, api, AnsweredBy="human")).text
        state = await ingress.state()
        assert state.direction == "outbound-api"
        assert state.slots == {"patient": "Ada Lovelace", "answered_by": "human"}
        assert state.turns[0].kind == "started"


async def test_a_relay_call_knows_its_errand_too(api):
    async with placing(api, voice_channel="relay") as ingress:
        await order(ingress, slots={"patient": "Ada"})
        assert "ConversationRelay" in (await answered(ingress, api)).text
        state = await ingress.state()
        assert (state.channel, state.slots, state.turns) == ("relay", {"patient": "Ada"}, [])


@pytest.mark.parametrize(("wish", "answered_by", "hangs_up"), [
    ("hang_up", "machine_start", True), ("hang_up", "fax", True), ("hang_up", "human", False),
    ("hang_up", "unknown", False), ("leave_message", "machine_end_beep", False), ("off", "machine_start", False),
])  # fmt: skip
async def test_a_machine_that_answers_is_left_or_talked_to(api, wish, answered_by, hangs_up):
    async with placing(api) as ingress:
        await order(ingress, machine_detection=wish)
        told = {"hang_up": ["Enable"], "leave_message": ["DetectMessageEnd"]}.get(wish)
        assert api.placed[0].get("MachineDetection") == told
        text = (await answered(ingress, api, AnsweredBy=answered_by)).text
        assert ("<Hangup" in text, "Hello!" in text) == (hangs_up, not hangs_up)
        assert len(ingress.turns) == (not hangs_up)


async def test_a_forged_errand_is_no_errand(api):
    async with placing(api) as ingress:
        api.placed.append({"Url": [PUBLIC + "/twilio/voice?errand=gAAAAABforged"]})
        assert "Hello!" in (await answered(ingress, api)).text
        assert (await ingress.state()).slots == {}


async def test_the_same_key_places_one_call(api):
    async with placing(api) as ingress:
        first = await order(ingress, "k1")
        again = await order(ingress, "k1")
        assert again.json() == first.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert (await order(ingress, "k2")).json() != first.json()
        assert len(api.placed) == 2
        other = await order(ingress, "k1", slots={"a": 1})
        assert other.status_code == 422


async def test_a_retry_while_the_first_is_being_placed_places_nothing(api):
    async with placing(api) as ingress:
        api.gate = asyncio.Event()
        first = asyncio.create_task(order(ingress, "k1"))
        await wait_until(lambda: api.placed, "the order has reached the provider")
        early = await order(ingress, "k1")
        assert (early.status_code, early.headers["retry-after"]) == (409, "5")
        api.gate.set()
        assert (await first).json() == (await order(ingress, "k1")).json()
        assert len(api.placed) == 1


@pytest.mark.parametrize(("status", "code", "message", "ours", "says"), [
    (400, 21211, f"Invalid 'To' Phone Number: {TO}", 422, f"Invalid 'To' Phone Number: {TO} (21211)"),
    (401, 20003, "Authenticate", 502, "TWILIO_AUTH_TOKEN"),
    (429, 20429, "Too Many Requests", 503, "Try again"),
    (500, 20500, "Internal", 502, "The provider failed (500)"),
])  # fmt: skip
async def test_a_refusal_of_the_provider_is_told_without_secrets(api, caplog, status, code, message, ours, says):
    async with placing(api) as ingress:
        api.refuse(status, code, message)
        response = await order(ingress)
        assert response.status_code == ours
        assert says in response.json()["error"]
        for secret in (TOKEN, ACCOUNT):
            assert secret not in response.text + caplog.text
        assert TO not in caplog.text


async def test_after_a_refusal_the_key_may_be_used_again(api):
    async with placing(api) as ingress:
        api.refuse(400, 21211, "no")
        assert (await order(ingress, "k1")).status_code == 422
        api.trouble = None
        assert (await order(ingress, "k1")).status_code == 201


async def test_when_nobody_knows_whether_it_was_placed_no_second_call_is(api):
    async with placing(api) as ingress:
        api.refuse(500, 20500, "Internal")
        assert (await order(ingress, "k1")).status_code == 502
        api.trouble = None
        response = await order(ingress, "k1")
        assert response.status_code == 409
        assert "Nobody knows" in response.json()["error"]
        assert api.placed == []


async def test_an_answer_that_makes_no_sense_is_an_error_of_the_provider(api):
    async with placing(api) as ingress:
        api.trouble = PlainTextResponse("<html>proxy</html>", 201)
        assert (await order(ingress)).status_code == 502


@pytest.mark.parametrize("answer", [
    {}, [], None, 7, "CA1", {"sid": None}, {"sid": 7}, {"sid": ""}, {"sid": "a{b"}, {"sid": ["CA1"]},
    {"sid": "x" * 300},
])  # fmt: skip
async def test_a_success_without_a_call_in_it_is_an_error_of_the_provider(api, answer, caplog):
    async with placing(api) as ingress:
        api.trouble = JSONResponse(answer, 201)
        response = await order(ingress, "k1")
        assert (response.status_code, response.json()["error"]) == (502, "The provider's answer makes no sense.")
        assert "Traceback" not in caplog.text
        api.trouble = None
        assert (await order(ingress, "k1")).status_code == 409  # it may have been placed
        assert await ingress.runtime.states.get_active_calls_count() == 0


async def test_a_status_that_the_provider_leaves_out_is_queued(api):
    async with placing(api) as ingress:
        api.trouble = JSONResponse({"sid": "CA77", "status": None}, 201)
        assert (await order(ingress)).json() == {"call_sid": "CA77", "status": "queued"}


async def test_a_provider_that_is_not_there_is_told(api):
    async with placing(api, twilio_api_base_url=f"http://127.0.0.1:{free_port()}") as ingress:
        response = await order(ingress, "k1")
        assert response.status_code == 502
        assert "connection" in response.json()["error"]


@pytest.mark.parametrize(("missing", "named"), [
    ({"twilio_account_sid": None}, "TWILIO_ACCOUNT_SID"), ({"public_base_url": None}, "PUBLIC_BASE_URL"),
])  # fmt: skip
async def test_without_credentials_or_address_no_call_is_placed(api, missing, named):
    async with placing(api, **missing) as ingress:
        response = await order(ingress)
        assert response.status_code == 501
        assert named in response.json()["error"]


@pytest.mark.parametrize("body", [
    {}, {"to": "5551234"}, {"to": "+1 555"}, {"to": TO, "from": "me"}, {"to": TO, "slots": [1]},
    {"to": TO, "slots": {"a": "x" * 3000}}, {"to": TO, "machine_detection": "yes"}, {"to": TO, "ring_seconds": 0},
    {"to": TO, "form": FROM}, {"to": TO, "slots": {"a": "\ud800"}},
])  # fmt: skip
async def test_a_wrong_order_is_refused_before_anybody_is_asked(api, body):
    async with placing(api) as ingress:
        response = await ingress.client.post(
            "/calls", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 422
        assert response.json()["error"]
        assert api.placed == []


@pytest.mark.parametrize("to", [
    "+19005550123", "+19001234567", "+881612345678", "+8707731234", "+46812345678", "sip:ada@10.0.0.5",
    "sip:ada@localhost", "sip:ada@[fd00::1]", "+1\u0665\u0665\u06658675310", "+\u0661\u0665\u0665\u06658675310",
    "+\uff11\uff15\uff15\uff158675310",
])  # fmt: skip
async def test_what_costs_more_than_a_call_or_leads_nowhere_is_not_dialled(api, to, caplog):
    async with placing(api) as ingress:
        response = await order(ingress, "k1", to=to)
        assert response.status_code == 422
        assert api.placed == []
        assert to not in caplog.text + response.text
        assert (await order(ingress, "k1")).status_code == 201  # the key was not used up


@pytest.mark.parametrize(("to", "status"), [
    ("+46812345678", 201), ("+12125550123", 201), (TO, 422), ("client:ada", 422), ("sip:ada@pbx.example.com", 201),
])  # fmt: skip
async def test_a_list_says_what_may_be_dialled(api, to, status):
    async with placing(api, dial_allow="+46, +1212, sip:example.com") as ingress:
        response = await order(ingress, to=to)
        assert response.status_code == status
        assert status == 201 or "DIAL_ALLOW" in response.json()["error"]
        assert len(api.placed) == (status == 201)


async def test_somebody_must_be_calling(api):
    async with placing(api, twilio_from_number=None) as ingress:
        assert "TWILIO_FROM_NUMBER" in (await order(ingress)).json()["error"]
        assert (await order(ingress, **{"from": FROM})).status_code == 201


@pytest.mark.parametrize("status", ["no-answer", "busy", "failed", "canceled"])
async def test_a_placed_call_that_nobody_answers_gets_an_end(api, caplog, status):
    async with placing(api) as ingress:
        call_sid = await placed(ingress, slots={"patient": "Ada"})
        for progress in ("initiated", "ringing"):
            await reported(ingress, call_sid, progress)
        assert await ingress.runtime.states.get_active_calls_count() == 1
        with caplog.at_level(logging.INFO):
            await reported(ingress, call_sid, status)
            state = await ended(ingress, call_sid)
        assert (state.status, state.slots) == (status, {"patient": "Ada"})
        assert await ingress.runtime.states.get_active_calls_count() == 0
        (line,) = [entry for entry in caplog.records if getattr(entry, "action", "") == "call.over"]
        assert (line.call_sid, line.status) == (call_sid, status)


async def test_whom_we_rang_does_not_hear_that_all_lines_are_busy(api):
    async with placing(api, max_active_calls=2) as ingress:
        ingress.call_sid = await placed(ingress)
        for number in range(3):
            await posted(ingress, "/twilio/voice", CallSid=f"CA-in-{number}", Direction="inbound")
        assert await ingress.runtime.states.get_active_calls_count() == 2
        assert "Hello!" in (await answered(ingress, api)).text


async def test_a_placed_call_whose_state_was_lost_is_answered_however_full_it_is(api):
    async with placing(api, max_active_calls=2) as ingress:
        ingress.call_sid = await placed(ingress)
        await ingress.runtime.states.delete_state(ingress.call_sid)
        for number in range(2):
            await ingress.runtime.states.create_state(f"CA-in-{number}")
        assert "Hello!" in (await answered(ingress, api)).text


async def test_a_call_that_rings_outlives_a_short_time_to_live():
    clock = [0.0]
    states = InMemoryStateManager(10, ended_ttl_seconds=10, clock=lambda: clock[0])

    async def accept(state):
        assert state.call_sid == "CA1"

    await create_placed_state(states, accept, "CA1", {"channel": "gather", "direction": "outbound-api"})
    clock[0] = 600.0
    state = await states.get_state("CA1")
    assert state is not None
    for seconds, abandoned in ((600, False), (650, True)):
        rings = state.model_copy(update={"created_at": utc_now() - timedelta(seconds=seconds)})
        assert is_abandoned(rings, 10, seconds_open(state) - seconds) is abandoned
    await states.update_state(state.model_copy(update={"ended": EndRecord(status="no-answer")}))
    clock[0] = 611.0
    assert await states.get_state("CA1") is None


async def test_placed_calls_that_ring_are_counted(api):
    async with placing(api, max_active_calls=4) as ingress:
        for _ in range(3):
            await placed(ingress)
        response = await order(ingress)
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert len(api.placed) == 3


async def test_of_many_orders_at_once_no_more_are_placed_than_there_are_lines(api):
    async with placing(api, max_active_calls=4) as ingress:
        answers = await asyncio.gather(*(order(ingress) for _ in range(12)))
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [503] * 9
        assert len(api.placed) == 3


@pytest.mark.parametrize("settings", [{"max_active_calls": 4}, {"max_active_calls": 9, "api_max_active_calls": 3}])
async def test_one_key_does_not_take_every_line_from_those_who_call(api, settings):
    async with placing(api, **settings) as ingress:
        await placed(ingress)
        texts = [await ingress.client.post(f"/calls/chat-{n}/turns", json={"text": "hello"}) for n in range(6)]
        assert [text.status_code for text in texts] == [200, 200, 503, 503, 503, 503]
        assert (await order(ingress)).status_code == 503
        response = await posted(ingress, "/twilio/voice", Direction="inbound")
        assert "Hello!" in response.text


async def test_a_repeated_order_gets_its_answer_when_all_lines_are_busy(api):
    async with placing(api, max_active_calls=1) as ingress:
        call_sid = await placed(ingress, "k1")
        again = await order(ingress, "k1")
        assert (again.status_code, again.json()["call_sid"]) == (201, call_sid)
        assert (await order(ingress, "k2")).status_code == 503
        await reported(ingress, call_sid, "completed")
        await ended(ingress, call_sid)
        assert (await order(ingress, "k2")).status_code == 201  # nothing was placed under it


async def test_a_status_that_overtakes_the_providers_answer_leaves_no_active_call(api):
    async with placing(api) as ingress:
        api.gate = asyncio.Event()
        ordered = asyncio.create_task(order(ingress))
        await wait_until(lambda: api.placed, "the order has reached the provider")
        call_sid = f"CA{1:032x}"
        await reported(ingress, call_sid, "failed")
        api.gate.set()
        assert (await ordered).json()["call_sid"] == call_sid
        state = await ended(ingress, call_sid)
        assert (state.status, state.to_number) == ("failed", TO)
        assert await ingress.runtime.states.get_active_calls_count() == 0


@pytest.mark.parametrize("channel", ["gather", "relay"])
async def test_an_answer_that_comes_after_the_end_begins_nothing(api, channel):
    async with placing(api, voice_channel=channel) as ingress:
        ingress.call_sid = await placed(ingress)
        await reported(ingress, ingress.call_sid, "completed")
        await ended(ingress, ingress.call_sid)
        assert "Hello!" not in (await answered(ingress, api)).text
        assert await ingress.runtime.states.get_active_calls_count() == 0


async def test_placing_calls_wants_the_key(api):
    async with placing(api) as ingress:
        del ingress.client.headers["Authorization"]
        assert (await order(ingress)).status_code == 401
        assert api.placed == []


async def test_deleting_a_live_call_hangs_up_at_the_provider(api):
    async with placing(api) as ingress:
        await order(ingress)
        await answered(ingress, api)
        assert (await ingress.client.delete(f"/calls/{ingress.call_sid}")).status_code == 204
        assert api.updated == [(ingress.call_sid, {"Status": ["completed"]})]
        assert await ingress.state() is None


async def test_a_provider_that_fails_does_not_keep_a_call_from_being_deleted(api):
    async with placing(api) as ingress:
        await order(ingress)
        await answered(ingress, api)
        api.refuse(404, 20404, "not found")
        assert (await ingress.client.delete(f"/calls/{ingress.call_sid}")).status_code == 204
        assert await ingress.state() is None


async def test_deleting_a_placed_call_that_rings_cancels_it_at_the_provider(api):
    async with placing(api) as ingress:
        ingress.call_sid = await placed(ingress)
        assert (await ingress.client.delete(f"/calls/{ingress.call_sid}")).status_code == 204
        assert api.updated == [(ingress.call_sid, {"Status": ["completed"]})]  # hangs up whether it rings or not
        assert await ingress.state() is None
        assert (await ingress.client.delete(f"/calls/{ingress.call_sid}")).status_code == 404


async def test_what_the_provider_tells_of_a_deleted_call_does_not_bring_it_back(api):
    async with placing(api) as ingress:
        ingress.call_sid = await placed(ingress)
        await ingress.client.delete(f"/calls/{ingress.call_sid}")
        await reported(ingress, ingress.call_sid, "canceled")
        assert await ingress.state() is None
        assert "Hello!" not in (await answered(ingress, api)).text
        assert await ingress.state() is None


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_call_that_could_not_be_cancelled_is_not_said_to_be_deleted(api, status):
    async with placing(api) as ingress:
        ingress.call_sid = await placed(ingress)
        api.refuse(status, 20000 + status, "no")
        response = await ingress.client.delete(f"/calls/{ingress.call_sid}")
        assert response.status_code in (502, 503)
        assert "may still ring" in response.json()["error"]
        assert (await ingress.state()).is_active
        api.trouble = None
        assert (await ingress.client.delete(f"/calls/{ingress.call_sid}")).status_code == 204
        assert len(api.updated) == 1


async def test_a_text_conversation_is_none_of_the_providers_business(api):
    async with placing(api) as ingress:
        await ingress.client.post("/calls/chat/turns", json={"text": "hello"})
        assert (await ingress.client.delete("/calls/chat")).status_code == 204
        assert api.updated == []
