"""uvicorn's HTTP protocol, with bounds on the size of a request's head and on the time of each phase."""

import asyncio
from typing import Any, Literal

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from web.connection_limits import ConnectionLimits
from web.websocket_protocol import HalfClosingWebSocket
from web.whole_exchange import WholeExchange, offer

Reading = Literal["headers", "body", ""]

_ANSWERS = {
    "connections": (503, "Too many connections. Try again in a moment."),
    "connections_of_peer": (503, "Too many connections from this address. Close some, or try again in a moment."),
    "url_too_long": (414, "The URL is too long."),
    "headers_too_large": (431, "The headers are too large, or too many."),
    "header_timeout": (408, "The headers did not arrive in time."),
    "body_timeout": (408, "The body did not arrive in time."),
    "invalid": (400, "This is not HTTP/1.1."),
    "upgrade": (400, "A WebSocket is opened by a GET without a body, in lines of less than 8 kB."),
}


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. It is refused or closed when it exceeds the `limits`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.deadline = 0.0
        self._limits = limits
        self._reading: Reading = "headers"
        self._head_bytes = 0
        self._size = 0
        self._excess = ""
        self._body_left: int | None = None
        self._peer = ""
        self._write_deadline = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse the connection if there are too many."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        self._await_headers()
        if reason := self._limits.admit(self, self._peer, len(self.connections) - 1):
            self._refuse(reason)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        self._limits.release(self, self._peer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse what is too large or not HTTP."""
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._body_left is not None:
            self._read_body(data)
            return
        if not self.deadline:
            self._await_headers()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(self._excess or "invalid")
            return
        if self._reading == "headers":
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.bounds.header_bytes + self._limits.bounds.url_bytes:
                self._refuse("headers_too_large")  # an endless line never becomes a header

    def on_message_begin(self) -> None:
        """Reset the counts for the next request."""
        super().on_message_begin()
        self._reading, self._head_bytes, self._size = "headers", 0, 0
        self._await_headers()

    def on_url(self, url: bytes) -> None:
        """Bound the URL."""
        super().on_url(url)
        if len(self.url) > self._limits.bounds.url_bytes:
            self._exceed("url_too_long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Bound the headers in size and number."""
        super().on_header(name, value)
        self._size += len(name) + len(value) + 4
        if self._size > self._limits.bounds.header_bytes or len(self.headers) > self._limits.bounds.headers:
            self._exceed("headers_too_large")

    def on_headers_complete(self) -> None:
        """Expect the body. While the process drains, close the connection after the answer, so that clients reconnect
        elsewhere."""
        super().on_headers_complete()
        self._reading = "body"
        self.deadline = self.loop.time() + self._limits.bounds.body_seconds
        if self.cycle is None:
            return
        if self._limits.leaving:
            self.cycle.keep_alive = False
        if self.cycle.scope is self.scope:  # else this is an upgrade, and that was the request before it
            offer(self.scope, WholeExchange(self.cycle))

    def on_message_complete(self) -> None:
        """Expect nothing until the next request."""
        super().on_message_complete()
        self._reading, self.deadline = "", self._write_deadline

    def pause_writing(self) -> None:
        """Bound the time in which the client must read what we wrote."""
        super().pause_writing()
        self._write_deadline = self.loop.time() + self._limits.bounds.write_seconds
        self.deadline = self.deadline or self._write_deadline

    def resume_writing(self) -> None:
        """Remove that bound."""
        super().resume_writing()
        self._write_deadline = 0.0
        if self._reading == "":
            self.deadline = 0.0

    def expire(self, now: float) -> None:
        """Close the connection: what was expected has not arrived by the deadline."""
        self.deadline = 0.0
        if self.transport.is_closing() or 0 < self._write_deadline <= now:
            self._limits.refused("write_timeout")
            self.transport.abort()
        elif self._reading == "headers" and not self._head_bytes:
            self.transport.close()  # connected, but never sent a request
        else:
            self._refuse("header_timeout" if self._reading == "headers" else "body_timeout")

    def _await_headers(self) -> None:
        self.deadline = self.loop.time() + self._limits.bounds.header_seconds

    def _upgrade(self, rest: bytes) -> None:
        if not self._should_upgrade():
            self._ignore_upgrade(rest)
            return
        self.deadline = 0.0
        self._limits.release(self, self._peer)
        self.handle_websocket_upgrade()
        socket = self.transport.get_protocol()
        if isinstance(socket, HalfClosingWebSocket) and socket.is_unreadable:
            self._limits.refused("upgrade")
            self._write("upgrade")
            self.transport.close()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Ignore the upgrade and answer by HTTP/1.1 (RFC 9110, section 7.8): some clients offer HTTP/2.

        The parser stops at an upgrade. So the body is read here, and the connection is closed after the answer.
        """
        lengths = [value for name, value in self.headers if name == b"content-length"]
        self._body_left = int(lengths[0]) if lengths else 0
        self._reading, self.deadline = "body", self.loop.time() + self._limits.bounds.body_seconds
        self.cycle.keep_alive, self.cycle.more_body = False, True
        self._read_body(rest)

    def _read_body(self, data: bytes) -> None:
        assert self._body_left is not None
        self._body_left -= len(piece := data[: self._body_left])
        self.cycle.body += piece
        if len(self.cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        if not self._body_left:
            self.cycle.more_body = False
            self._reading, self.deadline = "", self._write_deadline
        self.cycle.message_event.set()

    def _exceed(self, reason: str) -> None:
        self._excess = reason
        raise ValueError(reason)  # stops the parser

    def _refuse(self, reason: str) -> None:
        self._limits.refused(reason)
        self._answer(reason)

    def _answer(self, reason: str) -> None:
        """Send the reason, unless this request or the one before it is being answered, and close."""
        self.deadline = self.loop.time() + self._limits.bounds.write_seconds  # a peer that does not read keeps it open
        if self._may_answer():
            self._write(reason)
        if self.cycle is not None:
            self.cycle.disconnected = True  # the application's answer cannot be sent any more
            self.cycle.message_event.set()
        self.transport.close()

    def _write(self, reason: str) -> None:
        status, sentence = _ANSWERS[reason]
        body = f"{sentence}\n".encode()
        retry = b"retry-after: 1\r\n" if status == 503 else b""
        self.transport.write(
            STATUS_LINE[status] + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n" + retry
            + b"content-length: %d\r\n\r\n" % len(body) + body
        )  # fmt: skip

    def _may_answer(self) -> bool:
        if self._reading == "body":
            return self.cycle is not None and not self.cycle.response_started
        return self.cycle is None or self.cycle.response_complete
