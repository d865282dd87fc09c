"""The simulated provider of a development server: its REST API, and the calls that other programs make.

`voiceagent dev` serves it beside web, on loopback. `voiceagent call`, in another terminal, attaches its call: the API
then finds it, and its program is told of updates and of text messages, one JSON object a line, as long as it listens.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.rest_api.api import RestApi
from orchestrator.provider_simulator.rest_api.calls import CallStatus, CallUpdate
from orchestrator.provider_simulator.rest_api.http_server import HttpAnswer, HttpRequest, serve_http
from orchestrator.provider_simulator.rest_api.messages import SentMessage

CALLS_PATH = "/simulator/calls"
PORT_DISTANCE = 10_000
HIGHEST_PORT = 65_535
MOST_CALLS = 100


def exchange_port(web_port: int) -> int:
    """Return where the exchange listens that belongs to a development server on this port."""
    return web_port + PORT_DISTANCE if web_port + PORT_DISTANCE <= HIGHEST_PORT else web_port - PORT_DISTANCE


def exchange_url(web_url: str) -> str:
    """Return the URL of the exchange that belongs to the development server at `web_url`, on this machine."""
    return f"http://127.0.0.1:{exchange_port(urlsplit(web_url).port or 80)}"


@dataclass
class AttachedCall:
    """A call that another program makes. It is in progress while that program listens."""

    identity: CallIdentity
    status: CallStatus = "in-progress"
    told: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)

    def update(self, update: CallUpdate) -> None:
        """Tell the program that the call is to do something else."""
        self.told.put_nowait({"update": asdict(update)})


class Exchange:
    """Answers the REST API and the programs that make calls. `on_message` is called with each text message."""

    def __init__(self, on_message: Callable[[SentMessage], None] | None = None) -> None:
        self.api = RestApi()
        self.api.messages.on_sent = self._tell_of_message
        self._on_message = on_message
        self._attached: list[AttachedCall] = []

    async def answer(self, request: HttpRequest) -> HttpAnswer | None:
        """Answer one request."""
        if request.path != CALLS_PATH:
            return await self.api.answer(request)
        if len(self._attached) >= MOST_CALLS:
            return HttpAnswer(503)
        try:
            call = AttachedCall(CallIdentity(**json.loads(request.body)))
        except (ValueError, TypeError):
            return HttpAnswer(400)
        return HttpAnswer(200, content_type="application/x-ndjson", stream=self._lines(call))

    async def _lines(self, call: AttachedCall) -> AsyncIterator[bytes]:
        """Yield what the program of this call is told, until it leaves."""
        self.api.calls.add(call)
        self._attached.append(call)
        try:
            yield _line({"attached": call.identity.call_sid})
            while True:
                yield _line(await call.told.get())
        finally:
            call.status = "completed"
            self._attached.remove(call)

    def _tell_of_message(self, message: SentMessage) -> None:
        if self._on_message is not None:
            self._on_message(message)
        for call in self._attached:
            call.told.put_nowait(
                {"message": {"to": message.to, "from_number": message.from_number, "body": message.body}}
            )


def _line(told: dict[str, Any]) -> bytes:
    return json.dumps(told).encode() + b"\n"


@asynccontextmanager
async def serve_exchange(exchange: Exchange, port: int) -> AsyncIterator[str]:
    """Serve it on this port of loopback while the context lasts. Return its URL. Raise OSError."""
    async with serve_http(exchange.answer, port) as url:
        yield url
