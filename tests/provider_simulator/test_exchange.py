"""The simulated provider of a development server: calls that other programs make, changed through its API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from support.library_client import library_client
from support.servers import free_port
from support.waiting import wait_until

from orchestrator.provider_simulator import Asked, PhoneLine, Said
from orchestrator.provider_simulator.attachment import attached
from orchestrator.provider_simulator.exchange import CALLS_PATH, Exchange, exchange_port, exchange_url, serve_exchange
from orchestrator.provider_simulator.rest_api import SentMessage

ACCOUNT = "AC" + "0" * 32
ASK = '<Gather input="dtmf speech" action="/turn/1" actionOnEmptyResult="true"><Say>Yes?</Say></Gather>'
BYE = "<Say>Goodbye.</Say><Hangup/>"


@pytest.fixture
async def exchange_at() -> AsyncIterator[tuple[Exchange, str]]:
    exchange = Exchange()
    async with serve_exchange(exchange, 0) as url:
        yield exchange, url


async def test_an_attached_call_is_changed_and_hears_of_messages(serve, exchange_at) -> None:
    exchange, url = exchange_at
    server = await serve({"/twilio/voice": ASK, "/continue": BYE})
    line, client, messages, said = PhoneLine(server.url), library_client(ACCOUNT, "any", url), [], []

    def change() -> None:
        client.messages.create(to="+15550001111", from_="+15550002222", body="See you.")
        client.calls(line.call_sid).update(url=f"{server.url}/continue")

    async with attached(line, url, messages.append) as is_attached:
        assert is_attached
        changing = None
        async for event in line.call():
            if isinstance(event, Said):
                said.append(event.text)
            elif isinstance(event, Asked):
                changing = asyncio.ensure_future(asyncio.to_thread(change))
        assert changing is not None
        await changing
        await wait_until(lambda: bool(messages), "the message is told")
    assert said == ["Yes?", "Goodbye."]
    assert [(message.to, message.body) for message in messages] == [("+15550001111", "See you.")]
    await wait_until(
        lambda: exchange.api.calls.fetch(line.call_sid)["status"] == "completed", "the call is known to be over"
    )


async def test_messages_are_told_without_any_call() -> None:
    told: list[SentMessage] = []
    async with serve_exchange(Exchange(told.append), 0) as url:
        client = library_client(ACCOUNT, "any", url)
        await asyncio.to_thread(
            lambda: client.messages.create(to="+15550001111", from_="+15550002222", body="Confirmed.")
        )
    assert [message.body for message in told] == ["Confirmed."]


async def test_a_call_goes_on_where_no_exchange_is(serve) -> None:
    server = await serve({"/twilio/voice": BYE})
    for url in (f"http://127.0.0.1:{free_port()}", server.url):
        line = PhoneLine(server.url)
        async with AsyncExitStack() as stack:
            assert not await stack.enter_async_context(attached(line, url, lambda message: None))
            assert Said("Goodbye.") in [event async for event in line.call()]


async def test_nonsense_is_refused(exchange_at) -> None:
    _, url = exchange_at
    async with httpx.AsyncClient(trust_env=False) as client:
        for body in (b"", b"[]", b'{"call": 1}'):
            assert (await client.post(url + CALLS_PATH, content=body)).status_code == 400


def test_the_port_follows_from_that_of_web() -> None:
    assert (exchange_port(8000), exchange_port(60000)) == (18000, 50000)
    assert exchange_url("http://localhost:8001") == "http://127.0.0.1:18001"
