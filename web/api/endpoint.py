"""What every API route does first and last: check the key, and translate the product's errors to HTTP."""

from collections.abc import Awaitable, Callable
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from orchestrator import tracing
from orchestrator.api_keys.key import Scope
from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.errors import BadCallSid, CallRefused, VoiceAgentError
from orchestrator.process_metrics import catalog
from web.api.audit import log_change
from web.api.key import admit
from web.api.masked_response import mask_numbers
from web.api.request_rate import request_rates_of
from web.ingress import Ingress, ingress_of
from web.problems import as_problem

ApiCall = Callable[[Ingress, Request], Awaitable[Response]]

MASKED: frozenset[Scope] = frozenset({"read"})
"""Scopes whose answers tell of other people's calls: whole numbers are in them for `admin` alone."""


def guarded(call: ApiCall, scope: Scope) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that calls `call` if the request has a key that allows what needs `scope`."""

    async def endpoint(request: Request) -> Response:
        ingress = ingress_of(request)
        key = await admit(request, ingress.settings, scope)
        request_rates_of(request).check(key.name)
        tracing.trust_entry()
        status = 500
        try:
            response = await _answer(call, ingress, request)
            status = response.status_code
            return response if key.may("admin") or scope not in MASKED else mask_numbers(response)
        except HTTPException as error:
            status = error.status_code
            raise
        finally:
            log_change(request, scope, key.name, status)

    return endpoint


async def _answer(call: ApiCall, ingress: Ingress, request: Request) -> Response:
    try:
        return await call(ingress, request)
    except VoiceAgentError as error:
        if isinstance(error, CallRefused):
            catalog.CALLS_REFUSED.inc(error.reason)
        raise as_problem(error) from error


def call_sid_in(request: Request) -> str:
    """Return the call SID in the path. Raise `BadCallSid`, also where the path is not UTF-8."""
    raw: bytes = request.scope.get("raw_path", b"")
    if b"%" in raw or not raw.isascii():
        try:
            unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            raise BadCallSid from None
    return checked_call_sid(request.path_params["call_sid"])
