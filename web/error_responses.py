"""Answers to errors: one sentence, in the content type of the route."""

import logging

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.logs import WITHOUT_WORDS
from web.api.routes import PREFIX as API
from web.providers.routes import PREFIXES
from web.twilio import twiml
from web.twilio.language import Languages
from web.twilio.routes import PREFIX as TWILIO
from web.twilio.twiml_response import TwimlResponse

logger = logging.getLogger(__name__)

PROVIDERS = (TWILIO, *PREFIXES)


async def http_error(request: Request, error: Exception) -> Response:
    """Return the answer to an HTTP error: JSON from the API, one line of plain text elsewhere."""
    assert isinstance(error, HTTPException)
    if request.scope["path"].startswith(API):
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)
    return PlainTextResponse(f"{error.detail}\n", error.status_code, headers=error.headers)


def _apology(path: str) -> Response:
    if path.startswith(PROVIDERS) and path.endswith("/status"):  # the caller does not hear it: ask for a retry
        return PlainTextResponse("Something went wrong here. Send it again.\n", 503)
    if path.startswith(PROVIDERS):
        return TwimlResponse(twiml.apology(None, Languages()))
    return JSONResponse({"error": "Something went wrong here; the log says what."}, 500)


class CatchAllMiddleware:
    """ASGI middleware: logs an unexpected error with its stack, and apologises to the caller."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. Answer in place of a route that failed before it began its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noting_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except ClientDisconnect:
            return  # the client has gone
        except Exception:
            extra = {"action": "http.failed", "method": scope["method"], **WITHOUT_WORDS}
            logger.exception("A request failed", extra=extra)
            if started:
                raise
            await _apology(scope["path"])(scope, receive, send)
