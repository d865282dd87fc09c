"""The ASGI extension by which a request's body and an answer are passed whole, without ASGI's messages.

Nearly every body is here when its endpoint runs, and nearly every answer is made before it is sent. For these, two
messages in each direction, a bound on the wait and a head that is checked and joined again are a tenth of a turn.
"""

from typing import Any

from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from web.response_headers import DEFAULT_LINES

_WHOLE = "voiceagent.whole"
_ORDINARY = [b"content-length", b"content-type"]


class WholeExchange:
    """One request of uvicorn's and its answer. Both ways are refused where only ASGI's own will do."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def take_body(self) -> bytes | None:
        """Return the body, once, if all of it is here and the client waits for no word before it; else None."""
        cycle = self._cycle
        if (
            cycle.more_body or cycle.waiting_for_100_continue or cycle.disconnected or cycle.response_complete
            or not cycle.message_event.is_set()
        ):  # fmt: skip
            return None
        cycle.flow.resume_reading()
        cycle.message_event.clear()
        body, cycle.body = bytes(cycle.body), bytearray()
        return body

    def answer(self, response: Response) -> bool:
        """Write an answer that has the headers of every answer, its type and its length. False: send it by ASGI."""
        cycle, headers = self._cycle, response.raw_headers
        if (
            cycle.response_started or cycle.disconnected or not cycle.keep_alive or cycle.flow.write_paused
            or cycle.scope["method"] == "HEAD" or [name for name, _ in headers] != _ORDINARY
        ):  # fmt: skip
            return False
        body = response.body
        lines = [name + b": " + value + b"\r\n" for name, value in cycle.default_headers]
        head = (STATUS_LINE[response.status_code], *lines, b"content-length: %d\r\ncontent-type: " % len(body))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join((*head, headers[1][1], b"\r\n", DEFAULT_LINES, b"\r\n", body)))
        cycle.message_event.set()
        cycle.on_response()
        return True


def offer(scope: Any, exchange: WholeExchange) -> None:
    """Let the application have the request of this scope whole."""
    scope["extensions"] = {_WHOLE: exchange}


def whole_exchange(scope: Scope) -> WholeExchange | None:
    """Return the exchange of a request; None if the server offers none."""
    extensions = scope.get("extensions")
    return extensions.get(_WHOLE) if extensions else None
