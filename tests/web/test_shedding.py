"""New calls are refused while turns wait too long for a worker, and those that run go on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.ingress import Ingress, said, started_ingress, verbs
from support.twilio_api import ACCOUNT, TwilioApi, twilio_api
from support.waiting import wait_until

from orchestrator.errors import StoreUnavailable
from orchestrator.health.report import SystemStatus
from orchestrator.settings import load_settings
from web.shedding import Shedding
from web.twilio.twiml import BUSY

KEY = "sesame-sesame-sesame-sesame-sesame"
AFTER = 0.4
"""Seconds; the waits are read every 0.05 s."""


class Waits:
    """Says for how long turns wait, and counts how often it was asked."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.error: Exception | None = None
        self.reads = 0

    async def read(self) -> dict[str, float]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return dict(self.seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
async def shedding(waits: Waits) -> AsyncIterator[Shedding]:
    shed = Shedding(AFTER, waits.read, step_seconds=0)
    yield shed
    await shed.close()


async def until(shed: Shedding, refuses: bool, tenant: str = "") -> None:
    await wait_until(lambda: shed.is_shedding(tenant) == refuses, f"new calls are refused: {refuses}")


async def some_reads(shed: Shedding, waits: Waits) -> None:
    before = waits.reads

    def is_read() -> bool:
        shed.is_shedding("")
        return waits.reads >= before + 3

    await wait_until(is_read, "the waits are read again")


async def test_it_begins_at_the_limit_and_ends_at_half_of_it(shedding, waits, caplog):
    caplog.set_level("INFO")
    waits.seconds = {"": AFTER - 0.01}
    await some_reads(shedding, waits)
    assert not shedding.refuses("")
    waits.seconds = {"": AFTER}
    await until(shedding, True)
    assert shedding.longest_wait == AFTER
    waits.seconds = {"": AFTER / 2}
    await some_reads(shedding, waits)
    assert shedding.refuses(""), "it would begin and end each second"
    waits.seconds = {"": AFTER / 2 - 0.01}
    await until(shedding, False)
    waits.seconds = {"": AFTER - 0.01}
    await some_reads(shedding, waits)
    assert not shedding.refuses("")
    assert shedding.longest_wait is None
    actions = [record.action for record in caplog.records if hasattr(record, "action")]
    assert actions == ["calls.shed", "calls.taken_again"]


async def test_each_tenant_goes_by_its_own_turns(shedding, waits):
    waits.seconds = {"north": 9.0, "south": 0.1}
    await until(shedding, True, "north")
    assert [shedding.refuses(tenant) for tenant in ("north", "south", "", "new")] == [True, False, False, False]


async def test_what_cannot_be_read_refuses_nobody_after_a_while(waits):
    shedding = Shedding(AFTER, waits.read, stale_seconds=0.5)
    waits.seconds = {"": 9.0}
    await until(shedding, True)
    waits.error = StoreUnavailable()
    await some_reads(shedding, waits)
    await until(shedding, False)
    assert shedding.longest_wait is None
    await shedding.close()


async def test_nothing_is_read_before_a_call_comes_and_nothing_without_a_limit(waits):
    unasked, off, local = Shedding(AFTER, waits.read), Shedding(None, waits.read), Shedding(AFTER)
    assert [off.refuses(""), local.refuses("")] == [False, False]
    assert [unasked.is_on, off.is_on, local.is_on] == [True, False, False]
    await asyncio.sleep(0)
    assert waits.reads == 0
    for shed in (unasked, off, local):
        await shed.close()


@pytest.mark.parametrize(("text", "seconds"), [("off", None), ("OFF", None), ("2.5", 2.5), ("20", 20.0)])
def test_the_setting_is_a_time_or_off(text: str, seconds: float | None) -> None:
    assert load_settings(_env_file=None, shed_after_seconds=text).shed_after == seconds


@asynccontextmanager
async def overloaded(waits: Waits, **settings: Any) -> AsyncIterator[tuple[Ingress, Callable[..., Any]]]:
    """An ingress that sheds load once `begin` was called; the waits of its queue are what `waits` says."""
    async with started_ingress(shed_after_seconds=AFTER, **settings) as ingress:
        shed = Shedding(AFTER, waits.read, step_seconds=0)
        object.__setattr__(ingress.app.state.ingress, "shedding", shed)
        object.__setattr__(ingress.app.state.call_placer, "shedding", shed)

        async def begin() -> None:
            waits.seconds = {"": 9.0}
            await until(shed, True)

        try:
            yield ingress, begin
        finally:
            await shed.close()


async def test_a_new_caller_hears_the_busy_tone_and_a_call_that_runs_goes_on(waits):
    async with overloaded(waits) as (ingress, begin):
        await ingress.begin()
        await begin()
        refused = await ingress.twiml("/twilio/voice", CallSid="CA1", CallStatus="ringing")
        assert (verbs(refused), refused.find("Reject").attrib) == (["Reject"], {"reason": "busy"})
        answered = await ingress.twiml("/twilio/voice", CallSid="CA2", CallStatus="in-progress")
        assert (said(answered), verbs(answered)) == (BUSY, ["Say", "Hangup"])
        assert await ingress.runtime.states.get_state("CA1") is None
        assert verbs(await ingress.begin())[0] == "Gather", "its first webhook is repeated"
        assert said(await ingress.twiml("/twilio/turn/1", SpeechResult="go on")) == "You said go on."
        page = (await ingress.client.get("/metrics")).text
        assert 'voiceagent_calls_refused_total{reason="overload"}' in page
        waits.seconds = {}
        await until(ingress.app.state.ingress.shedding, False)
        taken = await ingress.twiml("/twilio/voice", CallSid="CA1", CallStatus="ringing")
        assert verbs(taken)[0] == "Gather"


async def test_a_relay_call_is_refused_before_it_gets_a_socket(waits):
    async with overloaded(waits, voice_channel="relay") as (ingress, begin):
        await begin()
        assert verbs(await ingress.twiml("/twilio/voice", CallSid="CA1", CallStatus="ringing")) == ["Reject"]


async def test_a_text_call_is_refused_with_a_problem_and_one_that_runs_goes_on(waits):
    async with overloaded(waits) as (ingress, begin):

        async def say(call_sid: str, turn_id: str) -> Any:
            turn = {"turn_id": turn_id, "text": "hello"}
            return await ingress.client.post(f"/calls/{call_sid}/turns", json=turn)

        assert (await say("known", "t1")).status_code == 200
        await begin()
        refused = await say("new", "t1")
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/overloaded")
        assert int(refused.headers["retry-after"]) > 0
        assert await ingress.runtime.states.get_state("new") is None
        assert (await say("known", "t2")).status_code == 200


@pytest.fixture
async def api() -> AsyncIterator[TwilioApi]:
    async with twilio_api() as served:
        yield served


async def test_nobody_is_called_meanwhile_and_who_was_called_is_answered(waits, api):
    settings = {
        "twilio_account_sid": ACCOUNT, "twilio_api_base_url": api.url, "public_base_url": "https://calls.example.com",
        "twilio_from_number": "+15551230000", "api_key": KEY,
    }  # fmt: skip
    async with overloaded(waits, **settings) as (ingress, begin):
        headers = {"Authorization": f"Bearer {KEY}"}
        keyed = {**headers, "Idempotency-Key": "k"}
        first = await ingress.client.post("/calls", json={"to": "+15558675310"}, headers=keyed)
        await begin()
        again = await ingress.client.post("/calls", json={"to": "+15558675310"}, headers=keyed)
        assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
        refused = await ingress.client.post("/calls", json={"to": "+15558675311"}, headers=headers)
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/overloaded")
        assert len(api.placed) == 1


async def test_the_health_page_says_so(waits):
    async with overloaded(waits) as (ingress, begin):
        ingress.report(SystemStatus(redis_ok=True, redis_message="fine", workers=1))
        queue = (await ingress.client.get("/health/detailed")).json()["checks"]["queue"]
        assert (queue["status"], queue["sheds"]) == ("healthy", False)
        await begin()
        detailed = await ingress.client.get("/health/detailed")
        queue = detailed.json()["checks"]["queue"]
        assert (detailed.status_code, queue["status"], queue["sheds"]) == (200, "degraded", True)
        assert queue["message"] == "New calls are refused: a turn has waited for 9.0 s. Start more workers."
