"""The way of every HTTP request: find its route, run the endpoint, send and count its answer, or that to its error.

Starlette does the same in ten layers, each with a wrapped `send`. They cost more than our own work on an ordinary turn.
So there is one layer here, for all routes alike. WebSockets and the lifespan go to Starlette.
"""

import logging
import time
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.logs import WITHOUT_WORDS
from orchestrator.metrics import Metrics
from web.error_responses import apology, http_error
from web.local_access import LocalAccess
from web.request_trace import end_request, request_entry
from web.response_headers import add_default_headers
from web.route_table import FoundRoute, RouteTable
from web.whole_exchange import whole_exchange

logger = logging.getLogger(__name__)

UNMATCHED = "unmatched"


class HttpEntry:
    """ASGI middleware that answers HTTP requests itself, and passes everything else to `app`.

    Every request and upgrade is shown to `access` first. Answers are counted by route template and status, and logged
    at DEBUG without their query.
    """

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute], access: LocalAccess, metrics: Metrics) -> None:
        self._app = app
        self._table = RouteTable(routes)
        self._access = access
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass on what is none."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
            return
        if scope["type"] == "websocket":
            self._access.note(scope)
        await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        self._access.note(scope)
        found = self._table.find(scope["path"], scope["method"])
        answer = _Answer(send)
        template = UNMATCHED if found is None else found.template
        entry = request_entry(scope, template)
        try:
            if entry is None:
                await _respond(found, scope, receive, answer)
            else:
                with entry.current():
                    await _respond(found, scope, receive, answer)
        finally:
            if entry is not None:
                end_request(entry, answer.status)
            self._metrics.request_answered(route=template, status=answer.status)
            if logger.isEnabledFor(logging.DEBUG):
                self._log(scope["method"], template, answer.status, time.perf_counter() - began)

    def _log(self, method: str, template: str, status: int, seconds: float) -> None:
        logger.debug(
            "Request answered",
            extra={
                "action": "http.answered",
                "method": method,
                "route": template,
                "status": status,
                "seconds": round(seconds, 4),
            },
        )


class _Answer:
    """Sends one answer with the headers that every answer has. `status` is 500 until it begins."""

    def __init__(self, send: Send) -> None:
        self.status = 500
        self.has_begun = False
        self._send = send

    async def send(self, message: Message) -> None:
        """Send a message of the answer."""
        if message["type"] == "http.response.start":
            self.has_begun, self.status = True, message["status"]
            add_default_headers(message)
        await self._send(message)

    def send_whole(self, response: Response, scope: Scope) -> bool:
        """Send an answer that is made, at once, if that is possible. Return whether it was."""
        if type(response).__call__ is not Response.__call__ or response.background is not None:
            return False
        exchange = whole_exchange(scope)
        if exchange is None or not exchange.answer(response):
            return False
        self.has_begun, self.status = True, response.status_code
        return True


async def _respond(found: FoundRoute | None, scope: Scope, receive: Receive, answer: _Answer) -> None:
    """Send what the route answers. An unexpected error is logged, and apologised for if the answer has not begun."""
    try:
        try:
            response = await _response(found, scope, receive, answer)
            if not answer.send_whole(response, scope):
                await response(scope, receive, answer.send)
        except HTTPException as error:
            if answer.has_begun:
                raise
            await http_error(scope["path"], error)(scope, receive, answer.send)
    except ClientDisconnect:
        return
    except Exception:
        logger.exception(
            "A request failed", extra={"action": "http.failed", "method": scope["method"], **WITHOUT_WORDS}
        )
        if answer.has_begun:
            raise
        await apology(scope)(scope, receive, answer.send)


async def _response(found: FoundRoute | None, scope: Scope, receive: Receive, answer: _Answer) -> Response:
    if found is None:
        raise HTTPException(404)
    if found.allowed:
        raise HTTPException(405, headers={"Allow": found.allowed})
    scope["path_params"] = found.path_params
    return await found.endpoint(Request(scope, receive, answer.send))
