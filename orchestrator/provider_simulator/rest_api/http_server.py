"""A small HTTP/1.1 server on loopback, which may also close a connection without a word, as networks do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from orchestrator.tasks import cancel_and_wait

LOOPBACK = "127.0.0.1"
LOCAL_HOSTS = ("127.0.0.1", "localhost")
MAX_HEAD_BYTES = 32 * 1024
MAX_BODY_BYTES = 1024 * 1024
REQUEST_SECONDS = 10.0
"""For a request to arrive in full."""

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. `headers` have lower-case names, and `path` is without its percent signs."""

    method: str
    path: str
    query: Pairs = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def form(self) -> dict[str, str]:
        """Return the form fields of the body."""
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer: a `body`, or `stream`, whose parts are sent as they come until it ends or the client leaves."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    stream: AsyncIterator[bytes] | None = None


Handler = Callable[[HttpRequest], Awaitable[HttpAnswer | None]]
"""Answers a request; None closes the connection without an answer."""


class _BadRequest(Exception):
    pass


@asynccontextmanager
async def serve_http(handler: Handler, port: int = 0) -> AsyncIterator[str]:
    """Serve on this port of loopback (0: any free one) while the context lasts. Return the URL. Raise OSError."""
    connections = _Connections(handler)
    server = await asyncio.start_server(connections.accept, LOOPBACK, port, limit=MAX_HEAD_BYTES)
    try:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await connections.close()


class _Connections:
    """Answers one request on each connection, and owns the tasks that do."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="simulated provider's API")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        await cancel_and_wait(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(reader)
            if answer is not None:
                await _send(answer, reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):  # the client has left, or says nothing
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> HttpAnswer | None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await _read(reader)
        except (_BadRequest, asyncio.LimitOverrunError, ValueError):
            return HttpAnswer(400)
        if _host_of(request) not in LOCAL_HOSTS or "origin" in request.headers:  # a page in a browser asks
            return HttpAnswer(403)
        return await self._handler(request)


async def _read(reader: asyncio.StreamReader) -> HttpRequest:
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, version = head.split(" ")
    if not version.startswith("HTTP/1."):
        raise _BadRequest
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    size = int(headers.get("content-length", "0"))
    if not 0 <= size <= MAX_BODY_BYTES or "transfer-encoding" in headers:
        raise _BadRequest
    url = urlsplit(target)
    query = parse_qsl(url.query, keep_blank_values=True)
    return HttpRequest(method, unquote(url.path), query, headers, await reader.readexactly(size))


def _host_of(request: HttpRequest) -> str:
    return request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")


async def _send(answer: HttpAnswer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    length = f"Content-Length: {len(answer.body)}\r\n" if answer.stream is None else ""
    writer.write(
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\nContent-Type: {answer.content_type}\r\n"
        f"{length}Connection: close\r\n\r\n".encode()
        + answer.body
    )
    await writer.drain()
    if answer.stream is not None:
        await _stream(answer.stream, reader, writer)


async def _stream(parts: AsyncIterator[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def send() -> None:
        async for part in parts:
            writer.write(part)
            await writer.drain()

    sending = asyncio.create_task(send(), name="stream of the simulated provider's API")
    leaving = asyncio.create_task(reader.read(1), name="client of the simulated provider's API")
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(sending, leaving)
