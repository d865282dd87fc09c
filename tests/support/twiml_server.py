"""A small real web server on loopback that answers webhooks with the documents it was given."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from support.waiting import wait_until

Answer = str | Response | Callable[["Webhook"], "str | Response"]


@dataclass(frozen=True)
class Webhook:
    """One request as it came in."""

    method: str
    path: str
    url: str
    form: dict[str, str]
    headers: Mapping[str, str]


@dataclass
class TwimlServer:
    """Answers each path with its document; a list of answers is used up one by one, the last one stays.

    A path's answer waits for its gate, if it has one.
    """

    url: str
    documents: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    webhooks: list[Webhook] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    abandoned: list[str] = field(default_factory=list)
    """Paths whose requests were broken off while they waited."""

    def paths(self) -> list[str]:
        """The paths asked for, in order, without the status callbacks."""
        return [webhook.path for webhook in self.webhooks if webhook.path != "/twilio/status"]

    def status_callbacks(self) -> list[dict[str, str]]:
        return [webhook.form for webhook in self.webhooks if webhook.path == "/twilio/status"]

    async def answer(self, request: Request) -> Response:
        body = (await request.body()).decode() if request.method == "POST" else request.url.query
        form = dict(parse_qsl(body, keep_blank_values=True))
        webhook = Webhook(request.method, request.url.path, str(request.url), form, request.headers)
        self.webhooks.append(webhook)
        if webhook.path in self.gates:
            await self.gates[webhook.path].wait()
            if await request.is_disconnected():
                self.abandoned.append(webhook.path)
        if webhook.path == "/twilio/status" and webhook.path not in self.documents:
            return Response(status_code=204)
        return self._document(webhook)

    def _document(self, webhook: Webhook) -> Response:
        answer = self.documents.get(webhook.path, Response("no such page", 404))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer) and not isinstance(answer, Response):
            answer = answer(webhook)
        return answer if isinstance(answer, Response) else twiml(answer)


def twiml(verbs: str) -> Response:
    """A document with these verbs."""
    return Response(f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>', media_type="text/xml")


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve_twiml(documents: Mapping[str, Answer | list[Answer]]) -> AsyncIterator[TwimlServer]:
    """The server, listening on a free port for as long as the context lasts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = TwimlServer(f"http://127.0.0.1:{listener.getsockname()[1]}", dict(documents))
        app = Starlette(routes=[Route("/{path:path}", server.answer, methods=["GET", "POST"])])
        uvicorn_server = _Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
        serving = asyncio.create_task(uvicorn_server.serve(sockets=[listener]))
        try:
            await wait_until(lambda: uvicorn_server.started, "the server listens")
            yield server
        finally:
            uvicorn_server.should_exit = True
            await serving
