"""The simulated provider's REST API, judged by the `twilio` library."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from requests.exceptions import ConnectionError as Lost
from support.library_client import library_client
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from orchestrator.provider_simulator import CallIdentity
from orchestrator.provider_simulator.rest_api import CallUpdate, Fault, RestApi, serve_rest_api
from orchestrator.provider_simulator.rest_api.calls import CallStatus

ACCOUNT, TOKEN = "AC" + "7" * 32, "the token"
OURS, THEIRS = "+15551230000", "+15551239999"


@dataclass
class Call:
    """A live call that notes what it is told."""

    identity: CallIdentity = field(default_factory=CallIdentity)
    status: CallStatus = "in-progress"
    updates: list[CallUpdate] = field(default_factory=list)

    def update(self, update: CallUpdate) -> None:
        self.updates.append(update)


@pytest.fixture
async def api() -> AsyncIterator[RestApi]:
    async with serve_rest_api(RestApi(ACCOUNT, TOKEN)) as api:
        yield api


def client_of(api: RestApi, token: str = TOKEN) -> Client:
    return library_client(ACCOUNT, token, api.url)


async def ask(request: Callable[[], Any]) -> Any:
    """The answer to a request that the library makes in a thread, as the product does."""
    async with asyncio.timeout(20):
        return await asyncio.to_thread(request)


async def refused(request: Callable[[], Any]) -> tuple[int, int | None]:
    with pytest.raises(TwilioRestException) as caught:
        await ask(request)
    return caught.value.status, caught.value.code


async def test_a_message_is_sent_and_found_again(api: RestApi) -> None:
    client = client_of(api)
    sent = await ask(lambda: client.messages.create(to=THEIRS, from_=OURS, body="See you on Tuesday."))
    assert (sent.status, sent.body, sent.from_, sent.to) == ("queued", "See you on Tuesday.", OURS, THEIRS)
    found = await ask(lambda: client.messages(sent.sid).fetch())
    assert (found.sid, found.date_sent.tzinfo) == (sent.sid, UTC)
    assert [message.body for message in api.messages.sent] == ["See you on Tuesday."]


async def test_messages_are_listed_by_numbers_and_time(api: RestApi) -> None:
    client = client_of(api)
    for to, body in ((THEIRS, "one"), (THEIRS, "one"), ("+15551238888", "other")):
        await ask(partial(client.messages.create, to=to, from_=OURS, body=body))
    since = datetime.now(UTC) - timedelta(minutes=1)
    found = await ask(lambda: client.messages.list(to=THEIRS, from_=OURS, date_sent_after=since))
    assert [message.body for message in found] == ["one", "one"]
    assert len({message.sid for message in found}) == 2, "equal messages are two messages"
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert await ask(lambda: client.messages.list(to=THEIRS, date_sent_after=later)) == []
    assert len(await ask(lambda: client.messages.list(date_sent=since.date()))) == 3


async def test_a_long_list_comes_in_pages(api: RestApi) -> None:
    client = client_of(api)
    for number in range(5):
        await ask(partial(client.messages.create, to=THEIRS, from_=OURS, body=str(number)))
    found = await ask(lambda: client.messages.list(to=THEIRS, page_size=2))
    assert [message.body for message in found] == ["4", "3", "2", "1", "0"]


async def test_a_new_message_may_be_missing_in_the_first_lists(api: RestApi) -> None:
    api.messages.listing_lag = 1
    client = client_of(api)
    await ask(lambda: client.messages.create(to=THEIRS, from_=OURS, body="late"))
    assert await ask(lambda: client.messages.list(to=THEIRS)) == []
    assert len(await ask(lambda: client.messages.list(to=THEIRS))) == 1


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"to": "", "from_": OURS, "body": "x"}, 21604),
        ({"to": THEIRS, "from_": "", "body": "x"}, 21603),
        ({"to": THEIRS, "from_": OURS, "body": ""}, 21602),
        ({"to": THEIRS, "from_": OURS, "body": "x" * 1601}, 21617),
        ({"to": "client:ada", "from_": OURS, "body": "x"}, 21211),
        ({"to": THEIRS, "from_": THEIRS, "body": "x"}, 21266),
        ({"to": "whatsapp:" + THEIRS, "from_": OURS, "body": "x"}, 63007),
    ],
)
async def test_a_message_that_cannot_be_sent_is_refused(api: RestApi, form: dict[str, str], code: int) -> None:
    assert await refused(lambda: client_of(api).messages.create(**form)) == (400, code)
    assert api.messages.sent == []


async def test_both_sides_of_a_whatsapp_message_are_named_so(api: RestApi) -> None:
    client = client_of(api)
    sent = await ask(lambda: client.messages.create(to="whatsapp:" + THEIRS, from_="whatsapp:" + OURS, body="x"))
    assert sent.to == "whatsapp:" + THEIRS


async def test_a_live_call_is_sent_to_another_document(api: RestApi) -> None:
    call = Call()
    api.calls.add(call)
    context = client_of(api).calls(call.identity.call_sid)
    assert (await ask(context.fetch)).status == "in-progress"
    await ask(lambda: context.update(url="http://127.0.0.1:1/continue", method="GET"))
    await ask(lambda: context.update(twiml="<Response><Hangup/></Response>"))
    await ask(lambda: context.update(status="completed"))
    assert call.updates == [
        CallUpdate("http://127.0.0.1:1/continue", "GET"),
        CallUpdate(twiml="<Response><Hangup/></Response>"),
        CallUpdate(hangs_up=True),
    ]


async def test_a_call_that_is_over_or_rings_or_does_not_exist_is_not_changed(api: RestApi) -> None:
    over, ringing = Call(status="completed"), Call(status="ringing")
    api.calls.add(over)
    api.calls.add(ringing)

    async def updated(call_sid: str, **fields: str) -> tuple[int, int | None]:
        return await refused(lambda: client_of(api).calls(call_sid).update(**fields))

    assert await updated("CA" + "0" * 32, status="completed") == (404, 20404)
    assert await updated(over.identity.call_sid, url="http://127.0.0.1:1/x") == (404, 20404)
    assert await updated(ringing.identity.call_sid, url="http://127.0.0.1:1/x") == (400, 21220)
    assert await updated(ringing.identity.call_sid, url="no address") == (400, 21205)
    api.calls.code_when_over = 21220
    assert await updated(over.identity.call_sid, url="http://127.0.0.1:1/x") == (400, 21220)
    assert over.updates == ringing.updates == []


async def test_a_placed_call_waits_until_it_is_ended(api: RestApi) -> None:
    client = client_of(api)
    placed = await ask(lambda: client.calls.create(to=THEIRS, from_=OURS, url="http://127.0.0.1:1/voice"))
    assert (placed.status, placed.direction) == ("queued", "outbound-api")
    await ask(lambda: client.calls(placed.sid).update(status="completed"))
    assert (await ask(client.calls(placed.sid).fetch)).status == "completed"


async def test_the_wrong_token_opens_nothing(api: RestApi) -> None:
    assert await refused(lambda: client_of(api, "another").messages.create(to=THEIRS, from_=OURS, body="x")) == (
        401,
        20003,
    )
    assert api.requested == []


@pytest.mark.parametrize(
    ("fault", "sent"), [(Fault.answer_lost(), 1), (Fault.request_lost(), 0)], ids=["answer", "request"]
)
async def test_a_connection_closes_before_the_answer(api: RestApi, fault: Fault, sent: int) -> None:
    api.fail("create_message", fault)
    with pytest.raises(Lost):
        await ask(lambda: client_of(api).messages.create(to=THEIRS, from_=OURS, body="x"))
    assert len(api.messages.sent) == sent


async def test_requests_fail_as_ordered_one_after_the_other(api: RestApi) -> None:
    api.fail("create_message", Fault.refused(429), Fault.failed_after(500))

    def send() -> Any:
        return client_of(api).messages.create(to=THEIRS, from_=OURS, body="x")

    assert await refused(send) == (429, 20429)
    assert await refused(send) == (500, 20500)
    assert (await ask(send)).status == "queued"
    assert len(api.messages.sent) == 2, "the one that failed afterwards was sent"
    assert api.requested == ["create_message"] * 3


async def test_an_answer_is_held_back_after_the_effect(api: RestApi) -> None:
    gate = asyncio.Event()
    api.fail("create_message", Fault.held(gate))
    sending = asyncio.create_task(ask(lambda: client_of(api).messages.create(to=THEIRS, from_=OURS, body="x")))
    async with asyncio.timeout(20):
        while not api.messages.sent:
            await asyncio.sleep(0)
    assert not sending.done()
    gate.set()
    assert (await sending).status == "queued"


async def test_a_page_in_a_browser_is_refused(api: RestApi) -> None:
    url = f"{api.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    async with httpx.AsyncClient(trust_env=False, auth=(ACCOUNT, TOKEN)) as client:
        assert (await client.get(url)).status_code == 200
        assert (await client.get(url, headers={"Origin": "https://evil.example"})).status_code == 403
        assert (await client.get(url, headers={"Host": "evil.example"})).status_code == 403
