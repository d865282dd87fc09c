"""Numbers that call, or are called, too often: what their callers hear, and what a client of the API gets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.ingress import Ingress, said, started_ingress, verbs
from support.relay import relay_socket
from support.twilio_api import ACCOUNT, TwilioApi, twilio_api

from orchestrator.provider_simulator import HungUp, PhoneLine
from web.twilio.twiml import BUSY

KEY = "sesame-sesame-sesame-sesame-sesame"
TO = "+15558675310"


async def refusals(ingress: Ingress, reason: str) -> int:
    """How many calls were refused for this reason."""
    sample = f'voiceagent_calls_refused_total{{reason="{reason}"}} '
    lines = (await ingress.client.get("/metrics")).text.splitlines()
    return sum(int(float(line.removeprefix(sample))) for line in lines if line.startswith(sample))


async def test_a_number_that_calls_too_often_hears_the_busy_tone(start_ingress):
    async with start_ingress(caller_rate_limit="2/hour") as ingress:
        before = await refusals(ingress, "caller")
        calls = [f"CA{number}" for number in range(3)]
        for _ in range(2):  # the provider repeats its webhooks
            documents = [
                await ingress.twiml("/twilio/voice", CallSid=call_sid, CallStatus="ringing") for call_sid in calls
            ]
            assert [verbs(document)[0] for document in documents] == ["Gather", "Gather", "Reject"]
            assert documents[2].find("Reject").attrib == {"reason": "busy"}
        assert await ingress.runtime.states.get_state("CA2") is None
        assert await refusals(ingress, "caller") == before + 2
        other = await ingress.twiml("/twilio/voice", CallSid="CA9", CallStatus="ringing", From="+15550009999")
        assert verbs(other)[0] == "Gather"
        assert said(await ingress.twiml("/twilio/turn/1", CallSid="CA0", SpeechResult="go on")) == "You said go on."


async def test_a_simulated_caller_is_told_that_the_line_is_busy(start_ingress):
    async with start_ingress(caller_rate_limit="1/hour") as ingress:
        await ingress.begin()
        line = PhoneLine(ingress.url, "12345")
        assert [event async for event in line.call() if isinstance(event, HungUp)][-1].by == "agent"


async def test_on_a_relay_a_sentence_says_so(start_ingress):
    async with start_ingress(voice_channel="relay", caller_rate_limit="1/hour") as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup("CA1", **{"from": TO})
            assert (await caller.frame())["token"] == "Hello!"
        async with relay_socket(ingress.url) as caller:
            await caller.setup("CA2", **{"from": TO})
            words = ""
            while (frame := await caller.frame())["type"] != "end":
                words += frame.get("token", "")
                if frame.get("last"):
                    await caller.send("info", name="agentSpeaking", value="off")
            assert BUSY in words


@pytest.fixture
async def api() -> AsyncIterator[TwilioApi]:
    async with twilio_api() as served:
        yield served


@asynccontextmanager
async def placing(api: TwilioApi, **changes: Any) -> AsyncIterator[Ingress]:
    settings = {
        "twilio_account_sid": ACCOUNT, "twilio_api_base_url": api.url, "public_base_url": "https://calls.example.com",
        "twilio_from_number": "+15551230000", "api_key": KEY, **changes,
    }  # fmt: skip
    async with started_ingress(**settings) as ingress:
        ingress.client.headers["Authorization"] = f"Bearer {KEY}"
        yield ingress


async def test_a_number_that_is_called_too_often_is_not_dialled(api):
    async with placing(api, destination_rate_limit="2/hour") as ingress:
        before = await refusals(ingress, "destination")

        async def order(to: str, key: str) -> Any:
            return await ingress.client.post("/calls", json={"to": to}, headers={"Idempotency-Key": key})

        for key in ("one", "one", "two", "one"):
            assert (await order(TO, key)).status_code == 201
        for _ in range(2):
            refused = await order(TO, "three")
            assert refused.headers["content-type"] == "application/problem+json"
            assert (refused.status_code, refused.json()["type"]) == (429, "/problems/destination-limited")
            assert 3500 < int(refused.headers["retry-after"]) <= 3600
        assert (await order("+15558675311", "four")).status_code == 201
        assert [form["To"] for form in api.placed] == [[TO], [TO], ["+15558675311"]]
        assert await refusals(ingress, "destination") == before + 2
