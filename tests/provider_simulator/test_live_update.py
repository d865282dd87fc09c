"""A live call is changed through the REST API: what it did is over, and its answer is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.library_client import library_client
from support.relay_server import relay_server
from support.waiting import wait_until
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from orchestrator.provider_simulator import Asked, Connected, Event, HungUp, PhoneLine, Recording, Said
from orchestrator.provider_simulator.colleagues import Colleague, Colleagues
from orchestrator.provider_simulator.rest_api import RestApi, serve_rest_api

ASK = '<Gather input="dtmf speech" action="/turn/1" actionOnEmptyResult="true"><Say>Yes?</Say></Gather>'
BYE = "<Say>Goodbye.</Say><Hangup/>"
ACCOUNT, TOKEN = "AC" + "7" * 32, "12345"


@pytest.fixture
async def api() -> AsyncIterator[RestApi]:
    async with serve_rest_api(RestApi(ACCOUNT, TOKEN)) as api:
        yield api


def context(api: RestApi, line: PhoneLine) -> Any:
    return library_client(ACCOUNT, TOKEN, api.url).calls(line.call_sid)


async def changed(line: PhoneLine, at: Callable[[Event], bool], change: Callable[[], Any]) -> list[Event]:
    """Make the call, and the change through the library when that event comes; then hang up at a question."""
    events: list[Event] = []
    changing: asyncio.Future[Any] | None = None
    async for event in line.call():
        events.append(event)
        if changing is None and at(event):
            changing = asyncio.ensure_future(asyncio.to_thread(change))
        elif isinstance(event, Asked) and changing is not None:
            line.hang_up()
    assert changing is not None
    await changing
    return events


def said(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Said)]


async def test_a_waiting_question_is_replaced_and_gets_no_answer(serve, api: RestApi) -> None:
    server = await serve({"/twilio/voice": ASK, "/continue": "<Say>By the way.</Say>" + ASK})
    line = PhoneLine(server.url, TOKEN)
    api.calls.add(line)
    url = f"{server.url}/continue?said=t1"
    events = await changed(line, lambda event: isinstance(event, Asked), lambda: context(api, line).update(url=url))
    assert said(events) == ["Yes?", "By the way.", "Yes?"]
    fetched = server.webhooks[1]
    assert (fetched.path, fetched.method, fetched.form["CallStatus"]) == ("/continue", "POST", "in-progress")
    assert RequestValidator(TOKEN).validate(fetched.url, fetched.form, fetched.headers["x-twilio-signature"])
    assert "/turn/1" not in server.paths()


async def test_a_document_in_the_request_is_played(serve, api: RestApi) -> None:
    server = await serve({"/twilio/voice": ASK})
    line = PhoneLine(server.url)
    api.calls.add(line)
    twiml = f"<Response>{BYE}</Response>"
    events = await changed(line, lambda event: isinstance(event, Asked), lambda: context(api, line).update(twiml=twiml))
    assert (said(events), events[-1].by) == (["Yes?", "Goodbye."], "agent")


async def test_the_call_is_ended(serve, api: RestApi) -> None:
    server = await serve({"/twilio/voice": ASK})
    line = PhoneLine(server.url)
    api.calls.add(line)

    def end() -> Any:
        return context(api, line).update(status="completed")

    events = await changed(line, lambda event: isinstance(event, Asked), end)
    assert isinstance(events[-1], HungUp)
    assert events[-1].by == "agent"
    assert [form["CallStatus"] for form in server.status_callbacks()] == ["completed"]
    assert (await asyncio.to_thread(context(api, line).fetch)).status == "completed"
    with pytest.raises(TwilioRestException):
        await asyncio.to_thread(end)


@pytest.mark.parametrize(
    ("document", "event"),
    [("<Dial action='/x'>+15550001111</Dial>", Connected), ("<Record action='/x' timeout='60'/>", Recording)],
)
async def test_a_transfer_and_a_recording_are_replaced_too(serve, api: RestApi, document: str, event: type) -> None:
    server = await serve({"/twilio/voice": document, "/continue": BYE})
    line = PhoneLine(server.url, colleagues=Colleagues(rest=Colleague(talk_seconds=60)))
    api.calls.add(line)
    url = f"{server.url}/continue"
    events = await changed(line, lambda one: isinstance(one, event), lambda: context(api, line).update(url=url))
    assert said(events) == ["Goodbye."]
    assert server.paths() == ["/twilio/voice", "/continue"]


async def test_the_answer_to_a_webhook_under_way_is_dropped(serve, api: RestApi) -> None:
    gate = asyncio.Event()
    server = await serve({"/twilio/voice": ASK, "/continue": "<Say>Goodbye.</Say>" + ASK})
    server.gates["/turn/1"] = gate
    server.documents["/turn/1"] = "<Say>Too late.</Say>"
    line = PhoneLine(server.url)
    api.calls.add(line)
    events: list[Event] = []

    async def change() -> None:
        await wait_until(lambda: "/turn/1" in server.paths(), "the answer is posted")
        await asyncio.to_thread(lambda: context(api, line).update(url=f"{server.url}/continue"))
        await wait_until(lambda: "/continue" in server.paths(), "the new document is asked for")
        gate.set()

    changing = asyncio.create_task(change())
    async for event in line.call():
        events.append(event)
        if isinstance(event, Asked) and "/continue" not in server.paths():
            line.answer_speech("yes")
        elif isinstance(event, Asked):
            await changing
            line.hang_up()
    assert said(events) == ["Yes?", "Goodbye.", "Yes?"]
    assert server.abandoned == [], "the provider does not take its request back"


async def test_a_call_that_is_not_answered_yet_is_not_changed(serve, api: RestApi) -> None:
    gate = asyncio.Event()
    server = await serve({"/twilio/voice": BYE})
    server.gates["/twilio/voice"] = gate
    line = PhoneLine(server.url)
    api.calls.add(line)
    assert line.status == "ringing"

    async def change() -> int | None:
        await wait_until(lambda: bool(server.webhooks), "the call comes in")
        with pytest.raises(TwilioRestException) as refused:
            await asyncio.to_thread(lambda: context(api, line).update(url=f"{server.url}/continue"))
        gate.set()
        return refused.value.code

    changing = asyncio.create_task(change())
    events = [event async for event in line.call()]
    assert await changing == 21220
    assert said(events) == ["Goodbye."]


async def test_a_relay_session_is_replaced_without_its_action(serve, api: RestApi) -> None:
    async with relay_server() as relay:
        connect = f'<Connect action="/ended"><ConversationRelay url="{relay.url}"/></Connect>'
        server = await serve({"/twilio/voice": connect, "/continue": BYE})
        line = PhoneLine(server.url)
        api.calls.add(line)

        async def change() -> None:
            await wait_until(lambda: bool(relay.sockets) and line.is_heard, "the session is open")
            await asyncio.to_thread(lambda: context(api, line).update(url=f"{server.url}/continue"))

        changing = asyncio.create_task(change())
        events = [event async for event in line.call()]
        await changing
        await wait_until(lambda: relay.connections[0].state.name == "CLOSED", "its socket is closed")
    assert said(events) == ["Goodbye."]
    assert server.paths() == ["/twilio/voice", "/continue"]
