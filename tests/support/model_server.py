"""A server on loopback that speaks the OpenAI chat-completions protocol, streaming, and misbehaves as it is told."""

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from orchestrator.tasks import cancel_and_wait

REASONS = {200: "OK", 401: "Unauthorized", 429: "Too Many Requests", 500: "Internal Server Error"}


class Connection:
    """One request of a client, while it is answered: in chunks of an event stream."""

    def __init__(self, request: dict[str, Any], writer: asyncio.StreamWriter, ends: bool = False) -> None:
        self.request = request
        self._writer = writer
        self._more = "connection: close\r\n" if ends else ""

    async def open(self, status: int = 200, kind: str = "text/event-stream") -> None:
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n"
        await self.write(f"{head}{self._more}\r\n".encode())

    async def send(self, data: bytes) -> None:
        """One chunk of the body; any bytes, whether or not they make whole events or characters."""
        await self.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def delta(self, finish: str | None = None, **delta: Any) -> None:
        """One event of the stream."""
        await self.send(event(self.request["model"], finish, **delta))

    async def close(self) -> None:
        """The end of the body, as it should be."""
        await self.send(b"data: [DONE]\n\n")
        await self.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """Break the connection off."""
        self._writer.transport.abort()

    async def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()


_calls = itertools.count(1)
Answer = Callable[[Connection], Awaitable[None]]


def event(model: str, finish: str | None = None, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def says(*pieces: str, until: asyncio.Event | None = None) -> Answer:
    """Text, in pieces; the first one not before `until`."""

    async def answer(connection: Connection) -> None:
        await connection.open()
        if until is not None:
            await until.wait()
        await connection.delta(role="assistant", content="")
        for piece in pieces:
            await connection.delta(content=piece)
        await connection.delta(finish="stop")
        await connection.close()

    return answer


def calls(tool: str, arguments: dict[str, Any] | str, *, first: Iterable[str] = (), split: int = 5) -> Answer:
    """Text (`first`), and then a call whose arguments come in pieces of `split` characters."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)

    async def answer(connection: Connection) -> None:
        await connection.open()
        for piece in first:
            await connection.delta(content=piece)
        begin = {
            "index": 0,
            "id": f"call_{next(_calls)}",
            "type": "function",
            "function": {"name": tool, "arguments": ""},
        }
        await connection.delta(tool_calls=[begin])
        for at in range(0, len(written), split):
            await connection.delta(tool_calls=[{"index": 0, "function": {"arguments": written[at : at + split]}}])
        await connection.delta(finish="tool_calls")
        await connection.close()

    return answer


def refuses(status: int, **error: Any) -> Answer:
    """An error instead of a stream."""

    async def answer(connection: Connection) -> None:
        await connection.open(status, "application/json")
        await connection.send(json.dumps({"error": {"message": "no", **error}}).encode())
        await connection.write(b"0\r\n\r\n")

    return answer


def breaks_off(*pieces: str) -> Answer:
    """Some text, and then the connection breaks."""

    async def answer(connection: Connection) -> None:
        await connection.open()
        for piece in pieces:
            await connection.delta(content=piece)
        connection.cut()

    return answer


async def hangs(connection: Connection) -> None:
    """The request is taken, and nothing ever comes."""
    await connection.open()
    await asyncio.Event().wait()


class ModelServer:
    """Answers each model's requests with its `answers`, in order. `requests` holds what was asked; `left` counts the
    clients that went before they had their whole answer. With `keeps_connections=False` a client has no connection left
    that it would have to close: those of frameworks live as long as the process."""

    def __init__(self, *, keeps_connections: bool = True) -> None:
        self._keeps_connections = keeps_connections
        self.answers: defaultdict[str, list[Answer]] = defaultdict(list)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.left = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await cancel_and_wait(*self._tasks, seconds=5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def asked(self, model: str) -> list[dict[str, Any]]:
        """The requests for one model."""
        return [request for request in self.requests if request["model"] == model]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        request = json.loads(await reader.readexactly(int(fields["content-length"])))
        self.requests.append(request)
        self.keys.append(fields.get("authorization", ""))
        answers = self.answers[request["model"]]
        connection = Connection(request, writer, ends=not self._keeps_connections)
        answer = asyncio.ensure_future((answers.pop(0) if answers else refuses(500))(connection))
        gone = asyncio.ensure_future(reader.read(1))  # the client sends nothing more until it has its answer
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        self.left += not answer.done()
        await cancel_and_wait(answer, gone)
        if not answer.cancelled() and (error := answer.exception()) is not None:
            raise error
        if not gone.cancelled() or not self._keeps_connections:
            raise ConnectionError
