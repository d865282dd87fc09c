"""A session needs the ticket of its call's latest document: recorded frames cannot take over a live call."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import pytest
from support.ingress import CALL, TOKEN, Ingress
from support.relay import PATH, RelaySocket, new_ticket, relay_socket, ticket_in
from support.waiting import wait_until
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect

from orchestrator.relay_documents.store import TICKET_SECONDS, Document
from web.ingress import RelayTimeouts
from web.seal import Seal
from web.twilio.relay.tickets import Ticket

RELAY = {"voice_channel": "relay"}


@pytest.fixture
async def ingress(start_ingress: Any) -> AsyncIterator[Ingress]:
    async with start_ingress(**RELAY) as started:
        yield started


async def first_document(ingress: Ingress) -> ElementTree.Element:
    return await ingress.twiml("/twilio/voice", CallStatus="ringing")


async def next_document(ingress: Ingress, document: ElementTree.Element, **fields: str) -> ElementTree.Element:
    """Return what the provider gets when the session of `document` was lost."""
    verb = document.find("Connect")
    assert verb is not None
    return await ingress.twiml(verb.attrib["action"], **{"SessionStatus": "failed", "SessionDuration": "30", **fields})


async def is_refused(ingress: Ingress, ticket: str, call_sid: str = CALL, **fields: Any) -> bool:
    async with relay_socket(ingress.url) as caller:
        await caller.setup(call_sid, "VX9", ticket=ticket, **fields)
        code = await caller.closed()
        return code == 1008 and caller.frames == []


async def goes_on(caller: RelaySocket, words: str) -> bool:
    await caller.prompt(words)
    return await caller.reply() == f"You said {words}."


async def test_a_session_begins_with_the_ticket_of_its_document(ingress):
    ticket = ticket_in(await first_document(ingress))
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, ticket=ticket)
        assert await caller.reply() == "Hello!"
        assert await goes_on(caller, "good evening")


@pytest.mark.parametrize("ticket", ["", "x", "A" * 200, "ä", "x" * 60_000])
async def test_a_session_without_a_ticket_of_ours_is_refused_before_anything_is_done(ingress, ticket):
    assert await is_refused(ingress, ticket)
    assert ingress.turns == []
    assert await ingress.state() is None


async def test_no_other_secret_makes_a_ticket(start_ingress):
    async with start_ingress(**RELAY, api_key="sesame", redis_url="redis://localhost:6379") as ingress:
        document = Document(1, time.time())
        for secret in (TOKEN, "sesame", "redis://localhost:6379", "unsigned webhooks from this machine", ""):
            assert await is_refused(ingress, Ticket(CALL, "twilio", document).sealed(Seal(secret)))


async def test_a_ticket_is_of_one_call_and_one_provider(ingress):
    seal = ingress.app.state.ingress.seal
    assert await is_refused(ingress, await new_ticket(ingress.url, "CA-another"))
    assert await is_refused(ingress, Ticket(CALL, "telnyx", Document(1, time.time())).sealed(seal))
    for content in (b"[]", b"7", b'{"relay":[]}', b'{"relay":["a","b","c","d"]}', b"{" * 3000):
        assert await is_refused(ingress, seal.wrap(content))


@pytest.mark.parametrize("seconds", [TICKET_SECONDS + 60, -TICKET_SECONDS - 60, float("inf"), float("nan")])
async def test_a_ticket_too_old_or_of_the_future_opens_nothing(ingress, seconds):
    seal = ingress.app.state.ingress.seal
    assert await is_refused(ingress, Ticket(CALL, "twilio", Document(1, time.time() - seconds)).sealed(seal))


@pytest.mark.parametrize("seconds", [600, -600])
async def test_clocks_that_are_ten_minutes_apart_lose_no_call(ingress, seconds):
    seal = ingress.app.state.ingress.seal
    ticket = Ticket(CALL, "twilio", Document(1, time.time() - seconds)).sealed(seal)
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, ticket=ticket)
        assert await caller.reply() == "Hello!"


async def test_an_older_documents_ticket_is_refused(ingress):
    first = await first_document(ingress)
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, ticket=ticket_in(first))
        await caller.reply()
    second = await next_document(ingress, first)
    assert await is_refused(ingress, ticket_in(first))  # already before the second document's session
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, "VX2", ticket=ticket_in(second))
        assert await goes_on(caller, "me again")
        assert await is_refused(ingress, ticket_in(first))
        assert await goes_on(caller, "still me")


@pytest.mark.parametrize("status", [{"SessionStatus": "completed"}, {"SessionStatus": "ended"},
                                    {"SessionStatus": "completed", "CallStatus": "completed"}])  # fmt: skip
async def test_the_ticket_of_a_session_that_is_over_is_refused(ingress, status):
    first = await first_document(ingress)
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, ticket=ticket_in(first))
        await caller.reply()
    await next_document(ingress, first, **status)
    assert await is_refused(ingress, ticket_in(first))


async def test_retries_of_one_webhook_may_each_be_the_one_that_counts(ingress):
    first, again = await first_document(ingress), await first_document(ingress)
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, ticket=ticket_in(first))
        await caller.reply()
    retries = [await next_document(ingress, first) for _ in range(3)]
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, "VX2", ticket=ticket_in(retries[0]))
        assert await goes_on(caller, "me again")
    assert await is_refused(ingress, ticket_in(again))


async def test_a_captured_upgrade_does_not_take_a_live_call_over(ingress):
    """The header is the same for all calls: it signs the address alone. The frames may have been seen, too."""
    ticket = ticket_in(await first_document(ingress))
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, ticket=ticket)
        await caller.reply()
        for shown in ("", ticket):
            assert await is_refused(ingress, shown)
            assert await is_refused(ingress, shown, customParameters={"lines": f"0-{time.time()}"})
        assert await goes_on(caller, "my own words")
    assert [turn.text for turn in ingress.turns] == ["", "my own words"]


async def test_the_same_ticket_again_is_a_reconnection_when_the_socket_before_is_gone(ingress):
    ticket = ticket_in(await first_document(ingress))
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, ticket=ticket)
        await caller.reply()
        caller.connection.transport.abort()
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL, ticket=ticket, customParameters={"lines": f"0-{time.time() + 60}"})
        assert await goes_on(caller, "back again")


async def test_the_same_ticket_again_is_a_reconnection_when_the_socket_before_answers_no_ping(start_ingress):
    async with (
        start_ingress(timeouts={"relay": RelayTimeouts(ping=0.3)}, **RELAY) as ingress,
        relay_socket(ingress.url, ping_interval=None) as silent,
        relay_socket(ingress.url) as caller,
    ):
        ticket = ticket_in(await first_document(ingress))
        await silent.setup(CALL, ticket=ticket)
        await silent.reply()
        silent.connection.transport.pause_reading()  # as if its network were gone: open here, but silent
        await caller.setup(CALL, "VX2", ticket=ticket, customParameters={"lines": f"0-{time.time() + 60}"})
        assert await goes_on(caller, "back again")
        silent.connection.transport.abort()


async def test_of_two_sockets_with_one_ticket_at_once_exactly_one_begins(ingress):
    ticket = ticket_in(await first_document(ingress))
    async with relay_socket(ingress.url) as one, relay_socket(ingress.url) as two:
        await asyncio.gather(one.setup(CALL, ticket=ticket), two.setup(CALL, ticket=ticket))
        heard = await asyncio.gather(one.frame(), two.frame(), return_exceptions=True)
        assert [isinstance(frame, dict) for frame in heard].count(True) == 1
    assert [turn.kind for turn in ingress.turns][:1] == ["started"]
    await wait_until(lambda: not ingress.app.state.ingress.sessions.call_sids, "both sockets have gone")


async def test_a_refusal_is_told_once_in_a_while_with_its_call(ingress, caplog):
    for _ in range(3):
        assert await is_refused(ingress, "x")
    lines = [record for record in caplog.records if getattr(record, "action", "") == "relay.refused"]
    assert [(line.levelname, line.call_sid) for line in lines] == [("WARNING", CALL)]
    assert "uvicorn" not in {record.name.partition(".")[0] for record in caplog.records if record.levelname == "ERROR"}


async def test_the_ping_is_beside_the_keepalive_and_tells_a_closed_socket(ingress):
    sessions = ingress.app.state.ingress.sessions
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        assert await sessions.is_answering(CALL)
        assert await asyncio.gather(*(sessions.is_answering(CALL) for _ in range(5))) == [True] * 5
    await wait_until(lambda: not sessions.call_sids, "the session has ended")
    assert not await sessions.is_answering(CALL)


async def test_without_any_key_a_page_of_somebody_else_opens_no_session(start_ingress):
    async with start_ingress(**RELAY, twilio_auth_token=None) as ingress:
        target = ingress.url.replace("http", "ws", 1) + PATH
        for headers in ({"Origin": "https://evil.example"}, {"X-Forwarded-For": "203.0.113.9"}):
            with pytest.raises(Exception, match="403"):
                await connect(target, additional_headers=headers, proxy=None)
        named = target.replace("127.0.0.1", "evil.example")  # a name that the page has had point here
        with pytest.raises(Exception, match="403"):
            await connect(named, host="127.0.0.1", proxy=None)


async def test_with_a_signature_alone_no_call_is_begun(ingress):
    target = ingress.url.replace("http", "ws", 1) + PATH
    signature = RequestValidator(TOKEN).compute_signature(target, {})
    async with connect(target, additional_headers={"X-Twilio-Signature": signature}, proxy=None) as connection:
        caller = RelaySocket(connection, ingress.url, TOKEN)
        await caller.setup("CA-of-nobody", ticket="")
        assert await caller.closed() == 1008
    assert ingress.turns == []
