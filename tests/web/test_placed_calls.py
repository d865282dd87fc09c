"""Placed calls with a real Redis, two ingresses and a worker: each has a beginning and an end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from support.ingress import TOKEN
from support.programs import Start, programs, ready
from support.servers import free_port
from support.twilio_api import ACCOUNT, TwilioApi, twilio_api
from support.waiting import wait_until
from twilio.request_validator import RequestValidator

pytestmark = pytest.mark.processes

PUBLIC, KEY = "https://calls.example.com", "sesame-sesame-sesame"
TO, FROM = "+15558675310", "+15551230000"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with programs(tmp_path) as start:
        yield start


@dataclass
class System:
    """Clients of the two ingresses, and the provider."""

    one: httpx.AsyncClient
    two: httpx.AsyncClient
    provider: TwilioApi

    async def place(self, key: str, **fields: object) -> httpx.Response:
        return await self.one.post("/calls", json={"to": TO, **fields}, headers={"Idempotency-Key": key})

    async def post(self, client: httpx.AsyncClient, path: str, call_sid: str, **fields: str) -> httpx.Response:
        form = {"CallSid": call_sid, "From": FROM, "To": TO, "Direction": "outbound-api", **fields}
        signature = RequestValidator(TOKEN).compute_signature(PUBLIC + path, form)
        return await client.post(path, data=form, headers={"X-Twilio-Signature": signature})

    async def ended(self, call_sid: str) -> dict[str, object]:
        async def look() -> dict[str, object] | None:
            state: dict[str, object] = (await self.two.get(f"/calls/{call_sid}")).json()
            return state if state.get("ended") else None

        return await wait_until(look, "the call has ended")

    async def count(self) -> int:
        count: int = (await self.two.get("/calls")).json()["count"]
        return count


@pytest.fixture
async def system(start: Start, redis_url: str) -> AsyncIterator[System]:
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(twilio_api())
        settings = {
            "REDIS_URL": redis_url, "PUBLIC_BASE_URL": PUBLIC, "API_KEY": KEY, "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_API_BASE_URL": provider.url, "TWILIO_FROM_NUMBER": FROM,
            "MAX_ACTIVE_CALLS": "4", "AGENT": "receptionist",
        }  # fmt: skip
        ports = [free_port(), free_port()]
        for port in ports:
            start("web", PORT=str(port), **settings)
        start("workers", **settings)
        clients = []
        for port in ports:
            url = f"http://127.0.0.1:{port}"
            await ready(url)
            client = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
            clients.append(await stack.enter_async_context(client))
        yield System(clients[0], clients[1], provider)


async def test_a_placed_call_has_a_beginning_and_an_end_whoever_answers(system: System) -> None:
    answers = await asyncio.gather(*(system.place(f"k{n}", slots={"n": n}) for n in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [503] * 3
    call_sids = [answer.json()["call_sid"] for answer in answers if answer.status_code == 201]
    assert await system.count() == 3
    unanswered, cancelled, answered = call_sids

    # Nobody answers: the worker writes the end.
    assert (await system.post(system.two, "/twilio/status", unanswered, CallStatus="no-answer")).status_code == 204
    assert (await system.ended(unanswered))["status"] == "no-answer"

    # One is cancelled while it rings, at the other ingress; later status callbacks do not create it again.
    assert (await system.two.delete(f"/calls/{cancelled}")).status_code == 204
    assert system.provider.updated == [(cancelled, {"Status": ["completed"]})]
    assert (await system.post(system.one, "/twilio/status", cancelled, CallStatus="canceled")).status_code == 204
    assert (await system.two.get(f"/calls/{cancelled}")).status_code == 404

    # Incoming calls reach the limit; a placed call is answered all the same.
    for number in range(4):
        await system.post(system.one, "/twilio/voice", f"CA-in-{number}", Direction="inbound", From=TO, To=FROM)
    urls = [urlsplit(form["Url"][0]) for form in system.provider.placed]
    parts = urls[int(answered.removeprefix("CA"), 16) - 1]  # the provider numbers calls in order
    response = await system.post(system.two, f"{parts.path}?{parts.query}", answered, CallStatus="in-progress")
    assert "busy" not in response.text
    assert "<Gather" in response.text or "<Redirect" in response.text
    assert (await system.two.get(f"/calls/{answered}")).json()["direction"] == "outbound-api"
