"""The least HTTP/1.1 that a load generator needs: what it spends itself must not count."""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit


class Connections:
    """Kept-alive connections to one server: as many as there are requests at once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._host = parts.netloc
        self._idle: list[_Connection] = []

    def request(self, path: str, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return a POST as it is sent, made ahead."""
        named = {"Host": self._host, "Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body

    async def send(self, request: bytes) -> bytes:
        """Send a request, wait for its whole answer and return it. Raise RuntimeError on any status but 200."""
        if self._idle:
            connection = self._idle.pop()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(_Connection, *self._address)
        answer = await connection.exchange(request)
        self._idle.append(connection)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode(errors="replace"))
        return answer

    def close(self) -> None:
        """Drop the idle connections."""
        for connection in self._idle:
            connection.close()


class _Connection(asyncio.Protocol):
    """One request at a time."""

    _transport: asyncio.WriteTransport
    _answered: asyncio.Future[bytes]

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def exchange(self, request: bytes) -> asyncio.Future[bytes]:
        """Return what will be the answer."""
        self._received = b""
        self._answered = asyncio.get_running_loop().create_future()
        if self._transport.is_closing():
            self._answered.set_exception(ConnectionResetError())
        else:
            self._transport.write(request)
        return self._answered

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = int(received[:end].lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(received) >= end + 4 + length and not self._answered.done():
            self._answered.set_result(received)

    def connection_lost(self, error: Exception | None) -> None:
        if hasattr(self, "_answered") and not self._answered.done():
            self._answered.set_exception(error or ConnectionResetError())

    def close(self) -> None:
        """Close the socket."""
        self._transport.close()
