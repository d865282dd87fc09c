"""One HTTP request on a connection of its own: cheap, and plain about how it fails."""

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, cast
from urllib.parse import urlsplit


class Broken(Exception):
    """No connection was made, or it was lost before the answer was whole."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    status: int
    content: bytes

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode()

    def json(self) -> Any:
        """The content, as JSON."""
        return json.loads(self.content)


async def request(method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"") -> Response:
    """Send it and read the answer to its end. Raises `Broken`; the caller sets the time limit."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError as error:
        raise Broken(f"{url}: {error}") from None
    try:
        writer.write(head + body)
        return _response(await reader.read())
    except (OSError, HTTPException) as error:
        raise Broken(f"{url}: {error!r}") from None
    finally:
        writer.transport.abort()


def _response(raw: bytes) -> Response:
    response = HTTPResponse(cast(Any, _Received(raw)))
    response.begin()
    return Response(response.status, response.read())


class _Received:
    """As much of a socket as `HTTPResponse` wants."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> io.BytesIO:
        """What came."""
        return io.BytesIO(self._raw)
