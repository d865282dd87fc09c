"""What strangers can use of an ingress before a signature is checked: bytes, connections, time."""

import asyncio
import logging
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from support.ingress import serving, settings_with
from support.waiting import wait_until
from websockets.asyncio.client import connect

from orchestrator.metrics import Metrics
from web.connection_limits import RESERVED_DESCRIPTORS, ConnectionLimits, connection_total

BOUNDS_END = 1000.0  # seconds: later than every deadline


class Server:
    """An application behind real sockets and these limits."""

    def __init__(self, url: str, limits: ConnectionLimits, metrics: Metrics) -> None:
        self.url, self.limits, self.metrics = url, limits, metrics
        parts = urlsplit(url)
        self.address = (str(parts.hostname), int(parts.port or 0))
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, first: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        self._writers.append(writer)
        writer.write(first)
        return reader, writer

    async def connect_alone(self, first: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the only connection, and return once it was admitted and has read `first`."""
        reader, writer = await self.connect()
        await wait_until(lambda: len(self.limits.open_connections) == 1, "it is connected")
        if first:
            await self.read(writer, first)
        return reader, writer

    async def read(self, writer: asyncio.StreamWriter, sent: bytes) -> None:
        """Send over the only connection. Return once that was read: what comes next has another deadline."""
        [connection] = self.limits.open_connections
        before = connection.deadline
        writer.write(sent)
        await wait_until(lambda: connection.deadline != before, "it is read")

    async def close(self) -> None:
        """Close the connections that are still open."""
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    async def answer(self, sent: bytes) -> bytes:
        """Return everything that is answered to `sent`, until the connection is closed."""
        reader, writer = await self.connect()
        try:
            for at in range(0, len(sent), 65536):
                writer.write(sent[at : at + 65536])
                await writer.drain()
        except ConnectionError:
            pass  # the server has closed the connection
        return await read_to_end(reader)

    async def hello(self) -> str:
        """Return what an ordinary client gets."""
        async with httpx.AsyncClient(timeout=60) as client:
            return (await client.get(self.url)).text

    def later(self, seconds: float = BOUNDS_END) -> None:
        """Let `seconds` pass for the limits."""
        self.limits.sweep(asyncio.get_running_loop().time() + seconds)

    def refused(self, reason: str) -> float:
        families = text_string_to_metric_families(self.metrics.exposition().decode())
        samples = [sample for family in families for sample in family.samples]
        name = "voiceagent_connections_refused_total"
        return sum(s.value for s in samples if s.name == name and s.labels["reason"] == reason)


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    received = b""
    try:
        while piece := await reader.read(65536):
            received += piece
    except ConnectionError:
        pass
    return received


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def body(request: Request) -> Response:
    """Count what has come so far in `app.state.received`."""
    state = request.app.state
    state.received = 0
    async for piece in request.stream():
        state.received += len(piece)
    return PlainTextResponse(f"{state.received} bytes")


async def large(request: Request) -> Response:
    return PlainTextResponse("x" * 50_000_000)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())


APP = Starlette(
    routes=[
        Route("/", hello),
        Route("/body", body, methods=["POST"]),
        Route("/large", large),
        WebSocketRoute("/ws", echo),
    ]
)


@asynccontextmanager
async def limited(**limit: Any) -> AsyncIterator[Server]:
    APP.state.received = 0
    metrics = Metrics()
    limits = ConnectionLimits(metrics, **{"total": 100, **limit})
    async with serving(APP, settings_with(), limits) as url:
        server = Server(url, limits, metrics)
        try:
            yield server
        finally:
            await server.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with limited() as started:
        yield started


def many_lines(count: int) -> bytes:
    """So many header lines, up to a hundred of them different: each process of the tests makes them at its start."""
    return b"".join(b"x-%d: %s\r\n" % (number, b"v" * 8) for number in range(100)) * (count // 100)


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (b"GET /" + b"a" * 16_384 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "url_too_long"),
        (b"GET /?" + b"a" * 3_000_000, 414, "url_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + many_lines(100) + b"\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + many_lines(1_000_000), 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nx: " + b"v" * 65_600 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nx: " + b"v" * 5_000_000, 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"n" * 5_000_000, 431, "headers_too_large"),
        (b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + many_lines(1_000_000), 0, ""),
        (b"\x16\x03\x01\x02\x00\x01", 400, "invalid"),
        (b"GET / HTTP/1.1\r\nHost x\r\n\r\n", 400, "invalid"),
    ],
    ids=[
        "url",
        "endless url",
        "lines",
        "a million lines",
        "header",
        "endless value",
        "endless name",
        "trailers",
        "TLS",
        "no colon",
    ],
)
async def test_a_head_that_is_too_large_or_none_is_refused_and_counted(server, sent, status, reason):
    answer = await server.answer(sent)
    if status:
        if answer or len(sent) < 100_000:  # a client that is still sending when we close may lose our answer
            assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:80]
        assert server.refused(reason) == 1
    assert await server.hello() == "hello"


async def test_a_head_within_the_bounds_is_served(server):
    async with httpx.AsyncClient(timeout=60) as client:
        headers = {f"x-{number}": "v" * 600 for number in range(90)}
        assert (await client.get(server.url + "/?" + "a" * 16_000, headers=headers)).text == "hello"


@pytest.mark.parametrize(
    ("begun", "status", "reason"),
    [
        (b"", 0, ""),
        (b"GET / HT", 408, "header_timeout"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", 408, "header_timeout"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, ""),
        (b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", 408, "body_timeout"),
    ],
    ids=["nothing", "half a line", "half a head", "idle after an answer", "half a body"],
)
async def test_a_request_that_stays_half_open_is_ended(server, begun, status, reason):
    reader, writer = await server.connect_alone(begun)
    if begun.endswith(b"\r\n\r\n"):
        assert b"hello" in await reader.read(1000)
        await server.read(writer, b"GET / HTTP/1.1\r\nHos")  # a second request on the same connection
        status, reason = 408, "header_timeout"
    server.later(1)
    await asyncio.sleep(0)
    assert not reader.at_eof()
    server.later()
    answer = await read_to_end(reader)
    assert answer[:13] == (b"HTTP/1.1 %d " % status if status else b"")[:13]
    if reason:
        assert server.refused(reason) == 1
    writer.close()


UPGRADE = (
    b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /ws HTTP/1.1\r\nContent-Length: 3\r\n" + UPGRADE + b"\r\nabc",
        b"POST /ws HTTP/1.1\r\nContent-Length: 3\r\n" + UPGRADE + b"\r\nabc",
        b"GET /ws HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + UPGRADE + b"\r\n0\r\n\r\n",
        b"GET /ws?" + b"a" * 9000 + b" HTTP/1.1\r\n" + UPGRADE + b"\r\n",
        b"GET /ws HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n" + UPGRADE + b"\r\n",
    ],
    ids=["body", "body of a POST", "chunks", "long URL", "long header"],
)
async def test_an_upgrade_that_opens_no_socket_is_refused_and_holds_no_connection(server, sent):
    async with asyncio.timeout(20):
        answer = await server.answer(sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"A WebSocket is opened by a GET without a body" in answer
    assert server.refused("upgrade") == 1
    assert await server.hello() == "hello"


async def test_a_body_that_dawdles_after_its_answer_holds_no_connection(server):
    reader, writer = await server.connect(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
    assert b"hello" in await reader.read(1000)
    writer.write(b"x")
    await writer.drain()
    server.later()
    assert await read_to_end(reader) == b""
    writer.close()


async def test_a_client_that_does_not_read_its_answer_is_dropped(server):
    reader, writer = await server.connect_alone(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    [connection] = server.limits.open_connections
    await wait_until(lambda: connection.deadline, "the answer does not fit the socket")
    server.later(1)
    assert server.limits.open_connections
    server.later()
    await wait_until(lambda: not server.limits.open_connections, "it is dropped")
    assert server.refused("write_timeout") == 1
    writer.close()
    del reader


async def test_one_connection_too_many_is_told_so(caplog):
    async with limited(total=2) as server:
        kept = [await server.connect() for _ in range(2)]
        await wait_until(lambda: len(server.limits.open_connections) == 2, "two are connected")
        with caplog.at_level(logging.WARNING):
            answers = [await server.answer(b"") for _ in range(3)]
        assert all(answer.startswith(b"HTTP/1.1 503 ") and b"retry-after" in answer for answer in answers)
        assert server.refused("connections") == 3
        assert len([r for r in caplog.records if getattr(r, "action", "") == "http.refused"]) == 1
        for _, writer in kept:
            writer.close()
        await wait_until(lambda: not server.limits.open_connections, "they have left")
        assert await server.hello() == "hello"


async def test_one_address_may_hold_some_connections_and_any_number_of_sockets():
    async with limited(per_peer=2) as server:
        address = server.url.replace("http", "ws") + "/ws"
        sockets = [await connect(address, proxy=None) for _ in range(5)]
        kept = [await server.connect() for _ in range(2)]
        await wait_until(lambda: len(server.limits.open_connections) == 2, "two are connected")
        assert (await server.answer(b"")).startswith(b"HTTP/1.1 503 ")
        assert server.refused("connections_of_peer") == 1
        for open_socket in sockets:
            await open_socket.send("hi")
            assert await open_socket.recv() == "hi"
            await open_socket.close()
        for _, writer in kept:
            writer.close()


def test_only_public_addresses_are_bounded_by_default():
    limits = ConnectionLimits(Metrics(), total=1000)
    held = [Idle() for _ in range(2000)]
    assert [limits.admit(one, "10.0.0.1", 0) for one in held[:500]] == [""] * 500
    refused = [limits.admit(one, "8.8.8.8", 0) for one in held[500:1000]]
    assert refused.count("") == 256
    assert refused[-1] == "connections_of_peer"


def test_what_other_processes_on_the_port_hold_counts():
    limits = ConnectionLimits(Metrics(), total=50, total_of_all=80)
    limits.held_elsewhere = 40
    assert limits.admit(Idle(), "10.0.0.1", 39) == ""
    assert limits.admit(Idle(), "10.0.0.1", 40) == "connections"
    limits.held_elsewhere = 0
    assert limits.admit(Idle(), "10.0.0.1", 49) == ""
    assert limits.admit(Idle(), "10.0.0.1", 50) == "connections"


class Idle:
    deadline = 0.0

    def expire(self, now: float) -> None:
        raise AssertionError


@pytest.fixture
def descriptors() -> Any:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def set_limit(soft: int) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))

    yield set_limit
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_of_open_files_is_raised_as_far_as_wanted(descriptors: Callable[[int], None]):
    descriptors(512)
    assert connection_total(700) == 700
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 700 + RESERVED_DESCRIPTORS


@pytest.mark.parametrize("pieces", [1, 2, 9])
async def test_an_upgrade_that_is_not_ours_is_ignored_and_its_body_is_read(server, pieces):
    """Java's HTTP client offers HTTP/2 in this way with its first request to a server without TLS."""
    head = b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 9\r\n\r\n"
    reader, writer = await server.connect(head + b"123456789"[: 9 // pieces])
    for at in range(9 // pieces, 9, 9 // pieces):
        await wait_until(lambda at=at: APP.state.received == at, "the piece is read")
        writer.write(b"123456789"[at : at + 9 // pieces])
    answer = await read_to_end(reader)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"9 bytes")


async def test_an_upgrade_that_is_not_ours_and_whose_body_does_not_come_is_ended(server):
    head = b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 9\r\n\r\n12"
    reader, _ = await server.connect_alone(head)
    server.later()
    assert (await read_to_end(reader)).startswith(b"HTTP/1.1 408")
