"""The webhook sink, against a receiver on loopback and the library of the Standard Webhooks project."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from support.webhook_receiver import Answer, WebhookReceiver, babbles, breaks_off, hangs, status, trickles

from orchestrator.events.event import Event, new_event
from orchestrator.events.sinks.sink import EventRefused, SinkGone, TryLater
from orchestrator.events.sinks.webhook import WebhookSink

SECRET = "whsec_" + "c2VjcmV0" * 4
NEW_SECRET = "whsec_" + "bmV3IG9uZQ=="
EVENT = new_event("call.started", 1_790_000_000, {"call_sid": "CA1", "seq": 1, "agent": "écho 🎉"})


@asynccontextmanager
async def sink_to(receiver: WebhookReceiver, *secrets: str) -> AsyncIterator[WebhookSink]:
    sink = WebhookSink(receiver.url, secrets or (SECRET,), allow_private=True)
    try:
        yield sink
    finally:
        await sink.close()


async def delivered(event: Event, *answers: Answer) -> WebhookReceiver:
    async with WebhookReceiver(*answers) as receiver, sink_to(receiver) as sink:
        await sink.deliver(event)
    return receiver


async def test_the_library_of_the_specification_accepts_the_signature() -> None:
    [request] = (await delivered(EVENT)).received
    assert Webhook(SECRET).verify(request.body, request.headers) == EVENT.model_dump()
    assert request.line == "POST /hooks?of=ours HTTP/1.1"
    assert request.headers["webhook-id"] == EVENT.id
    assert request.headers["content-type"] == "application/json"


async def test_the_timestamp_is_that_of_the_attempt() -> None:
    [request] = (await delivered(EVENT)).received
    sent = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
    assert abs(datetime.now(UTC) - sent) < timedelta(minutes=5)


async def test_each_of_two_secrets_verifies_and_no_other() -> None:
    async with WebhookReceiver() as receiver, sink_to(receiver, SECRET, NEW_SECRET) as sink:
        await sink.deliver(EVENT)
    [request] = receiver.received
    for secret in (SECRET, NEW_SECRET):
        Webhook(secret).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_b3RoZXI=").verify(request.body, request.headers)


async def test_a_connection_is_used_again() -> None:
    async with WebhookReceiver() as receiver, sink_to(receiver) as sink:
        for _ in range(3):
            await sink.deliver(EVENT)
        assert (len(receiver.received), receiver.connections) == (3, 1)


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
async def test_any_success_is_one(code: int) -> None:
    await delivered(EVENT, status(code, body=b"" if code == 204 else b"thanks"))


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 413, 422, 451])
async def test_a_client_error_refuses_the_event(code: int) -> None:
    with pytest.raises(EventRefused, match=str(code)) as refused:
        await delivered(EVENT, status(code))
    assert not isinstance(refused.value, SinkGone)


async def test_410_wants_no_event_any_more() -> None:
    with pytest.raises(SinkGone):
        await delivered(EVENT, status(410))


@pytest.mark.parametrize("answer", [status(code) for code in (408, 425, 429, 500, 502, 503, 504)] + [breaks_off])
async def test_what_may_pass_is_tried_again(answer: Answer) -> None:
    with pytest.raises(TryLater):
        await delivered(EVENT, answer)


async def test_a_redirect_is_not_followed() -> None:
    async with WebhookReceiver() as elsewhere:
        with pytest.raises(TryLater, match="307"):
            await delivered(EVENT, status(307, f"location: {elsewhere.url}"))
        assert elsewhere.received == []


async def test_a_receiver_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async with WebhookReceiver(hangs) as receiver:
        sink = WebhookSink(receiver.url, (SECRET,), allow_private=True, answer_seconds=0.05)
        with pytest.raises(TryLater, match="ReadTimeout"):
            await sink.deliver(EVENT)
        await sink.close()


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    await delivered(EVENT, babbles)


async def test_a_success_counts_though_its_body_trickles_and_costs_its_connection() -> None:
    async with WebhookReceiver(trickles) as receiver:
        sink = WebhookSink(receiver.url, (SECRET,), allow_private=True, body_seconds=0.05)
        for _ in range(2):
            async with asyncio.timeout(60):
                await sink.deliver(EVENT)
        await sink.close()
        assert (len(receiver.received), receiver.connections) == (2, 2)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("120", 120, 120),
        ("999999999", 8 * 3600, 8 * 3600),
        (timedelta(hours=1), 3000, 3600),
        (timedelta(hours=-1), 0, 0),
    ],
)
async def test_the_receiver_may_say_when(value: str | timedelta, least: float, most: float) -> None:
    if isinstance(value, timedelta):
        value = format_datetime(datetime.now(UTC) + value, usegmt=True)
    with pytest.raises(TryLater) as later:
        await delivered(EVENT, status(503, f"retry-after: {value}"))
    assert later.value.seconds is not None
    assert least <= later.value.seconds <= most


@pytest.mark.parametrize("value", ["", "soon", "-1", "1e9", "٣", "9" * 400])
async def test_a_retry_after_that_says_nothing_is_left_out(value: str) -> None:
    with pytest.raises(TryLater) as later:
        await delivered(EVENT, status(503, *([f"retry-after: {value}"] if value.isascii() else [])))
    assert later.value.seconds is None


async def test_a_private_address_is_refused_unless_it_is_allowed() -> None:
    async with WebhookReceiver() as receiver:
        sink = WebhookSink(receiver.url.replace("127.0.0.1", "localhost"), (SECRET,))
        with pytest.raises(EventRefused, match="EVENTS_ALLOW_PRIVATE"):
            await sink.deliver(EVENT)
        await sink.close()
        assert receiver.connections == 0


async def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is resolved once more to connect may have another address by then."""

    async def resolved(host: str, port: int) -> list[str]:
        assert host == "hooks.example"
        return ["127.0.0.1"]

    monkeypatch.setattr("orchestrator.events.sinks.webhook.public_addresses", resolved)
    async with WebhookReceiver() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        sink = WebhookSink(f"http://hooks.example:{port}/x", (SECRET,))
        await sink.deliver(EVENT)
        await sink.close()
        assert receiver.received[0].headers["host"] == f"hooks.example:{port}"


async def test_a_receivers_cookies_are_not_sent_back() -> None:
    async with WebhookReceiver(status(204, "set-cookie: a=b")) as receiver, sink_to(receiver) as sink:
        await sink.deliver(EVENT)
        await sink.deliver(EVENT)
        assert [request.headers.get("cookie") for request in receiver.received] == [None, None]
