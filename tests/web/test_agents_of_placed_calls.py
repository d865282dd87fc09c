"""Who talks in calls that we place: whom the order names, else the agent of the number that they are placed from."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import pytest
from support.ingress import TOKEN, started_ingress
from support.relay import PATH, RelaySocket, ticket_in
from support.twilio_api import ACCOUNT, TwilioApi, twilio_api
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect

from orchestrator.clock import utc_now
from orchestrator.routes.opening_hours import DAYS

PUBLIC = "https://calls.example.com"
KEY = "sesame"
TO, NORTH, PLAIN = "+15558675310", "+15550000001", "+15550000002"
LIMITED, SHUT = "+15550000003", "+15550000004"
IN_THREE_DAYS = DAYS[(utc_now().weekday() + 3) % 7]
ROUTES = f"""
[agents.reception]
agent = "echo"

[agents.reminder]
agent = "echo"
channel = "relay"

[[routes]]
number = "{NORTH}"
agent = "reception"
tenant = "north"

[[routes]]
number = "{LIMITED}"
agent = "reception"
tenant = "south"
max_calls = 1

[[routes]]
number = "{SHUT}"
agent = "reception"
hours = "{IN_THREE_DAYS} 08:00-18:00"
time_zone = "UTC"
closed = "reminder"

[[routes]]
number = "{TO}"
agent = "reminder"
tenant = "callees"
"""


@pytest.fixture
async def api() -> AsyncIterator[TwilioApi]:
    async with twilio_api() as served:
        yield served


@pytest.fixture
def placing(api: TwilioApi, tmp_path: Path) -> Callable[..., Any]:
    """Start an ingress that places calls, with these routes."""
    path = tmp_path / "routes.toml"
    path.write_text(ROUTES)

    @asynccontextmanager
    async def placing(**changes: Any) -> AsyncIterator[Any]:
        settings = {
            "twilio_account_sid": ACCOUNT, "twilio_api_base_url": api.url, "public_base_url": PUBLIC,
            "twilio_from_number": NORTH, "api_key": KEY, "routes": str(path), **changes,
        }  # fmt: skip
        async with started_ingress(**settings) as ingress:
            ingress.client.headers["Authorization"] = f"Bearer {KEY}"
            yield ingress

    return placing


async def order(ingress: Any, **fields: Any) -> Any:
    return await ingress.client.post("/calls", json={"to": TO, **fields})


async def answered(ingress: Any, address: str, call_sid: str) -> ElementTree.Element:
    """What the provider gets at this address once somebody answers."""
    parts = urlsplit(address)
    path = f"{parts.path}?{parts.query}"
    form = {
        "CallSid": call_sid, "From": NORTH, "To": TO, "Direction": "outbound-api", "CallStatus": "in-progress",
    }  # fmt: skip
    signature = RequestValidator(TOKEN).compute_signature(PUBLIC + path, form)
    response = await ingress.client.post(path, data=form, headers={"X-Twilio-Signature": signature})
    assert response.status_code == 200
    return ElementTree.fromstring(response.text)


async def state_of(ingress: Any, call_sid: str) -> Any:
    return await ingress.runtime.states.get_state(call_sid)


@pytest.mark.parametrize(("fields", "agent", "tenant"), [
    ({}, "reception", "north"),
    ({"from": PLAIN}, "", ""),
    ({"from": SHUT}, "reception", ""),
    ({"agent": "reminder"}, "reminder", "north"),
    ({"agent": "reminder", "from": PLAIN}, "reminder", ""),
])  # fmt: skip
async def test_the_order_or_the_number_it_is_placed_from_says_who_talks(placing, api, fields, agent, tenant):
    async with placing() as ingress:
        response = await order(ingress, **fields)
        assert response.status_code == 201, response.text
        call_sid = response.json()["call_sid"]
        channel = "relay" if agent == "reminder" else "gather"
        state = await state_of(ingress, call_sid)
        assert (state.agent, state.tenant, state.channel) == (agent, tenant, channel)
        await ingress.runtime.states.delete_state(call_sid)  # the store had no room for it when it was placed
        document = await answered(ingress, api.placed[0]["Url"][0], call_sid)
        assert (document.find("Connect") is not None) == (channel == "relay")
        state = await state_of(ingress, call_sid)
        assert (state.agent, state.tenant, state.channel) == (agent, tenant, channel)


async def test_a_placed_call_over_a_relay_carries_its_choice_to_the_socket(placing, api):
    async with placing() as ingress:
        call_sid = (await order(ingress, agent="reminder")).json()["call_sid"]
        ticket = ticket_in(await answered(ingress, api.placed[0]["Url"][0], call_sid))
        await ingress.runtime.states.delete_state(call_sid)
        signed = RequestValidator(TOKEN).compute_signature(PUBLIC.replace("https", "wss") + PATH, {})
        target, headers = ingress.url.replace("http", "ws", 1) + PATH, {"X-Twilio-Signature": signed}
        async with connect(target, additional_headers=headers, compression=None, proxy=None) as connection:
            caller = RelaySocket(connection, ingress.url, TOKEN)
            await caller.setup(call_sid, ticket=ticket, direction="outbound-api")
            await caller.reply()
        state = await state_of(ingress, call_sid)
        assert (state.agent, state.tenant) == ("reminder", "north")


async def test_a_context_that_an_older_version_sealed_leaves_the_choice_to_the_route(placing, api):
    async with placing() as ingress:
        seal = ingress.app.state.ingress.seal
        old = seal.wrap(json.dumps({"slots": {"patient": "Ada"}, "machine_detection": "off"}).encode())
        await answered(ingress, f"{PUBLIC}/twilio/voice?{urlencode({'errand': old})}", "CA7")
        state = await state_of(ingress, "CA7")
        assert (state.agent, state.tenant, state.slots["patient"]) == ("reception", "north", "Ada")


async def test_a_call_for_an_agent_that_nobody_knows_is_not_placed(placing, api):
    async with placing() as ingress:
        response = await order(ingress, agent="sales")
        assert (response.status_code, api.placed) == (422, [])
        assert "There are: reception, reminder." in response.text


async def test_the_end_of_a_call_that_comes_before_its_beginning_says_whose_it_was(placing):
    async with placing() as ingress:
        form = {"CallSid": "CA9", "From": NORTH, "To": TO, "Direction": "outbound-api", "CallStatus": "busy"}
        signature = RequestValidator(TOKEN).compute_signature(PUBLIC + "/twilio/status", form)
        await ingress.client.post("/twilio/status", data=form, headers={"X-Twilio-Signature": signature})
        state = await state_of(ingress, "CA9")
        assert (state.agent, state.tenant) == ("reception", "north")


async def test_a_call_beyond_the_limit_of_its_route_is_not_placed(placing, api):
    async with placing(twilio_from_number=LIMITED) as ingress:
        assert (await order(ingress)).status_code == 201
        response = await order(ingress)
        assert (response.status_code, len(api.placed)) == (503, 1)
        assert (await order(ingress, **{"from": NORTH})).status_code == 201
