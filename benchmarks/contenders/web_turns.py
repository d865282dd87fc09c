"""Turns over HTTP: the API and the provider's webhooks, each request made and signed ahead.

Wants `WEB_URL`: a server of the product with `API_KEY` and `TWILIO_AUTH_TOKEN` as in the environment.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from math import ceil

from benchmarks.contenders.http_client import Connections
from benchmarks.contenders.turns import SAID, TURNS_A_CALL
from benchmarks.contenders.webhook_forms import WebhookForms, new_call
from benchmarks.driver import Line

BEGUN_AT_ONCE = 20
GATHER = b"<Gather"
"""What is in the document of a reply that does not end its call."""


class Conversations:
    """Turns of calls. Each slot has a call of its own, and takes a new one after `TURNS_A_CALL` turns.

    A subclass makes the requests of a call's turns, and says by which `_sign` an answer with a reply is known.
    """

    _sign: bytes

    def __init__(self, server: Connections) -> None:
        self._server = server
        self._waiting: list[list[bytes]] = []
        self._at: dict[int, list[bytes]] = {}

    async def __call__(self, slot: int) -> None:
        """Send the next turn of the slot's call."""
        if not self._at.get(slot):
            self._at[slot] = self._waiting.pop()
        _check(await self._server.send(self._at[slot].pop()), self._sign)

    async def prepare(self, count: int, callers: int, *, in_order: bool) -> None:
        """Begin the calls, and make the requests of their turns."""
        self._at.clear()
        self._waiting.clear()
        turns = min(TURNS_A_CALL, ceil(count / callers)) if in_order else TURNS_A_CALL
        # Callers who wait for each other's turns may leave calls half used: each has one that is spare.
        number = callers * ceil(count / callers / turns) if in_order else callers + ceil(count / turns)
        await _all([self._begin(turns) for _ in range(number)])

    async def _begin(self, turns: int) -> None:
        self._waiting.append((await self._requests(turns))[::-1])

    async def _requests(self, turns: int) -> list[bytes]:
        raise NotImplementedError


class ApiTurns(Conversations):
    """`POST /calls/{call_sid}/turns`."""

    _sign = b'"outcome":"replied"'

    async def _requests(self, turns: int) -> list[bytes]:
        path = f"/calls/{new_call().call_sid}/turns"
        headers = {"Authorization": f"Bearer {os.environ['API_KEY']}"}
        bodies = [json.dumps({"turn_id": f"t{turn}", "text": SAID}).encode() for turn in range(turns)]
        return [self._server.request(path, body, "application/json", headers) for body in bodies]


class WebhookTurns(Conversations):
    """`POST /twilio/turn/{n}`, of calls that have been greeted."""

    _sign = GATHER

    def __init__(self, server: Connections, url: str) -> None:
        super().__init__(server)
        self._forms = WebhookForms(server, url)

    async def _requests(self, turns: int) -> list[bytes]:
        identity = new_call()
        await self._server.send(self._forms.voice(identity))
        return self._forms.turns(identity, turns)


class Greetings:
    """`POST /twilio/voice`: each is a new call, its state, and the agent's turn that greets the caller."""

    def __init__(self, server: Connections, url: str) -> None:
        self._server = server
        self._forms = WebhookForms(server, url)
        self._waiting: list[bytes] = []

    async def __call__(self, slot: int) -> None:
        """Begin a call."""
        _check(await self._server.send(self._waiting.pop()), GATHER)

    async def prepare(self, count: int, callers: int, *, in_order: bool) -> None:
        """Make as many requests."""
        self._waiting = [self._forms.voice(new_call()) for _ in range(count)]


def _check(answer: bytes, sign: bytes) -> None:
    """Raise RuntimeError at an apology, or a filler that has the provider come again: the turn got no reply yet."""
    if sign not in answer:
        raise RuntimeError(answer.decode(errors="replace"))


async def _all(awaitables: list[Awaitable[None]]) -> None:
    limit = asyncio.Semaphore(BEGUN_AT_ONCE)

    async def one(awaitable: Awaitable[None]) -> None:
        async with limit:
            await awaitable

    await asyncio.gather(*map(one, awaitables))


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`api`, `webhook` and `voice`."""
    url = os.environ["WEB_URL"]
    web = Connections(url)
    try:
        yield {"api": ApiTurns(web), "webhook": WebhookTurns(web, url), "voice": Greetings(web, url)}
    finally:
        web.close()
