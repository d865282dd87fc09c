"""The hook of a route: a function, or a signed request; what it may answer; and what holds when it does not."""

import asyncio
import contextlib
import gzip
import json
import logging
import socket
import sys
import threading
from functools import partial, reduce
from typing import Any

import pytest
from standardwebhooks import Webhook
from support.waiting import wait_until
from support.webhook_receiver import WebhookReceiver, breaks_off, hangs, status, trickles

from orchestrator.routes.choice import Choice
from orchestrator.routes.hook import MOST_THREADS, Asked, AskedFunction, Hook, IncomingCall
from orchestrator.routes.hook_request import AskedUrl

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_" + "b2xkLXNlY3JldC1vZi10aGUtdGVzdHM="
AGENTS = ("reception", "spanish")
CALL = IncomingCall("CA1", "+15557654321", "+15551230001")
ROUTES_OWN = Choice("reception", "north", 20, "north")


async def asked(of: Any, *, seconds: float = 60) -> Choice:
    """What holds after this function, or whom else, was asked."""
    source: Asked = AskedFunction(of) if callable(of) else of
    hook = Hook("router:choose", source, AGENTS, deadline_seconds=seconds)
    try:
        return await hook.choice(CALL, ROUTES_OWN)
    finally:
        await hook.close()


def resolver_of(address: str) -> Any:
    """A `socket.getaddrinfo` to which every name has this address."""
    real = socket.getaddrinfo
    return lambda host, *rest, **options: real(address, *rest, **options)


@pytest.mark.parametrize(("answer", "expected"), [
    (None, ROUTES_OWN),
    ("spanish", Choice("spanish", "north", 20, "north")),
    ({"agent": "spanish", "slots": {"vip": True}}, Choice("spanish", "north", 20, "north", {"vip": True})),
    ({"slots": {"vip": True}}, Choice("reception", "north", 20, "north", {"vip": True})),
    ({"refuse": "We are closed. "}, Choice("reception", "north", 20, "north", refused="We are closed.")),
    ({"refuse": True}, Choice("reception", "north", 20, "north", refused="")),
    ({"refuse": False}, ROUTES_OWN),
    ({}, ROUTES_OWN),
])  # fmt: skip
async def test_a_hook_chooses_an_agent_adds_slots_or_refuses(answer: Any, expected: Choice) -> None:
    assert await asked(lambda call: answer) == expected


@pytest.mark.parametrize("nonsense", [
    "sales", 3, [], {"agent": "sales"}, {"agent": 3}, {"agents": "spanish"}, {"slots": 3},
    {"slots": {"a": float("nan")}},
    {"slots": {"a": "x" * 2048}}, {"slots": {"a": object()}}, {"slots": {"a": "\ud800"}}, {"slots": {"\udc00": 1}},
    {"slots": reduce(lambda inner, _: {"a": inner}, range(30), {})}, {"refuse": "\ud800"},
    {"refuse": "x" * 501}, {"refuse": 3},
])  # fmt: skip
async def test_nonsense_leaves_the_call_to_the_routes_own_agent_and_is_logged(nonsense: Any, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        assert await asked(lambda call: nonsense) == ROUTES_OWN
    (record,) = caplog.records
    assert (record.action, record.call_sid, record.hook) == ("route.hook_failed", "CA1", "router:choose")


async def test_a_function_gets_the_call_and_may_be_async() -> None:
    async def choose(call: IncomingCall) -> str:
        return "spanish" if call == CALL else "reception"

    assert (await asked(choose)).agent == "spanish"


async def test_an_object_or_a_partial_may_be_async_too() -> None:
    class Router:
        async def __call__(self, call: IncomingCall) -> str:
            return await self.choose("spanish", call)

        async def choose(self, agent: str, call: IncomingCall) -> str:
            return agent

    assert (await asked(Router())).agent == "spanish"
    assert (await asked(partial(Router().choose, "spanish"))).agent == "spanish"


async def test_a_function_that_blocks_or_hangs_holds_the_call_no_longer_than_its_deadline() -> None:
    free = threading.Event()

    async def hang(call: IncomingCall) -> None:
        await asyncio.Event().wait()

    try:
        assert await asked(lambda call: free.wait(60), seconds=0.05) == ROUTES_OWN
        assert await asked(hang, seconds=0.05) == ROUTES_OWN
    finally:
        free.set()


async def test_an_async_function_that_does_not_let_itself_be_cancelled_holds_no_call() -> None:
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def stubborn(call: IncomingCall) -> str:
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()
        ended.set()
        raise ValueError("too late for anybody")

    hook = Hook("router:choose", AskedFunction(stubborn), AGENTS, deadline_seconds=0.05)
    async with asyncio.timeout(60):
        assert await hook.choice(CALL, ROUTES_OWN) == ROUTES_OWN
        may_end.set()
        await ended.wait()
    await hook.close()


@pytest.mark.parametrize("raised", [SystemExit(3), asyncio.CancelledError(), ValueError()])
async def test_whatever_an_async_function_raises_only_fails_the_hook(raised: BaseException) -> None:
    async def choose(call: IncomingCall) -> None:
        raise raised

    assert await asked(choose) == ROUTES_OWN


async def test_what_a_function_raises_is_logged_without_what_it_says(caplog: Any) -> None:
    def choose(call: IncomingCall) -> None:
        raise ValueError("a caller's secret")

    with caplog.at_level(logging.WARNING):
        assert await asked(choose) == ROUTES_OWN
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


async def test_an_address_gets_each_call_signed_and_under_the_same_id_when_it_comes_again() -> None:
    answer = json.dumps({"agent": "spanish"}).encode()
    async with WebhookReceiver(status(200, body=answer), status(200, body=answer)) as receiver:
        for _ in range(2):
            assert (await asked(AskedUrl(receiver.url, (SECRET, OLD_SECRET)))).agent == "spanish"
        first, second = receiver.received
        for secret in (SECRET, OLD_SECRET):
            told = Webhook(secret).verify(first.body, first.headers)
            assert told == {
                "call_sid": "CA1", "from": "+15557654321", "to": "+15551230001", "direction": "inbound",
                "provider": "twilio",
            }  # fmt: skip
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("answer", [
    status(500), status(302, "location: /elsewhere"), status(200, body=b"no JSON"), status(200, body=b"x" * 20_000),
    status(200, "content-encoding: gzip", body=gzip.compress(b'"spanish"')), breaks_off, hangs, trickles,
])  # fmt: skip
async def test_an_address_that_fails_leaves_the_call_to_the_routes_own_agent(answer: Any) -> None:
    async with WebhookReceiver(answer) as receiver:
        assert await asked(AskedUrl(receiver.url, (SECRET,)), seconds=0.3) == ROUTES_OWN


async def test_an_address_in_a_private_network_is_not_asked_unless_it_is_allowed(monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr("socket.getaddrinfo", resolver_of("127.0.0.1"))
    async with WebhookReceiver(status(200, body=b'"spanish"')) as receiver:
        url = receiver.url.replace("127.0.0.1", "router.example")
        assert await asked(AskedUrl(url, (SECRET,))) == ROUTES_OWN
        assert receiver.connections == 0
        assert (await asked(AskedUrl(url, (SECRET,), allow_private=True))).agent == "spanish"
    assert "ROUTES_HOOK_ALLOW_PRIVATE=true" in caplog.text


async def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: Any) -> None:
    """A name that is resolved once more to connect may have another address by then."""

    async def resolved(host: str, port: int) -> list[str]:
        assert host == "router.example"
        return ["127.0.0.1"]

    monkeypatch.setattr("orchestrator.routes.hook_request.public_addresses", resolved)
    async with WebhookReceiver(status(200, body=b'"spanish"')) as receiver:
        url = receiver.url.replace("127.0.0.1", "router.example")
        assert (await asked(AskedUrl(url, (SECRET,)))).agent == "spanish"
        assert receiver.received[0].headers["host"].startswith("router.example:")


async def test_a_host_that_cannot_be_resolved_leaves_the_call_to_the_routes_own_agent(caplog: Any) -> None:
    assert await asked(AskedUrl(f"https://{'a' * 64}.example/", (SECRET,))) == ROUTES_OWN
    assert "cannot be resolved" in caplog.text


async def test_an_address_may_have_no_opinion() -> None:
    async with WebhookReceiver(status(204)) as receiver:
        assert await asked(AskedUrl(receiver.url, (SECRET,))) == ROUTES_OWN


async def test_functions_that_hang_are_not_asked_without_end_and_are_asked_again_once_they_return() -> None:
    free = threading.Event()
    hook = Hook("router:choose", AskedFunction(lambda call: "spanish" if free.wait(60) else None), AGENTS)
    impatient = Hook("router:choose", hook.asked, AGENTS, deadline_seconds=0.01)
    try:
        for _ in range(MOST_THREADS + 1):
            assert await impatient.choice(CALL, ROUTES_OWN) == ROUTES_OWN
    finally:
        free.set()

    async def is_asked_again() -> bool:
        return (await hook.choice(CALL, ROUTES_OWN)).agent == "spanish"

    await wait_until(is_asked_again, "the function is asked again")


async def test_a_function_that_would_end_the_process_only_fails() -> None:
    assert await asked(lambda call: sys.exit(3)) == ROUTES_OWN
