"""What every API route does first and last: check the key, and translate the product's errors to HTTP."""

from collections.abc import Awaitable, Callable
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from orchestrator import tracing
from orchestrator.api_keys.key import Scope
from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.errors import (
    ArchiveUnavailable,
    BadCallSid,
    BadRecordQuery,
    BadRollout,
    CallDeclined,
    CallEnded,
    CallRefused,
    RolloutChanged,
    StoreUnavailable,
    TurnRejected,
    UnknownCall,
    UnknownRecord,
    ValueRefused,
    VoiceAgentError,
    WorkersTooOld,
)
from orchestrator.process_metrics import catalog
from web.api.audit import log_change
from web.api.key import check_key
from web.ingress import Ingress, ingress_of

ApiCall = Callable[[Ingress, Request], Awaitable[Response]]

_STATUS: tuple[tuple[type[VoiceAgentError], int], ...] = (
    (BadCallSid, 400),
    (UnknownCall, 404),
    (UnknownRecord, 404),
    (BadRecordQuery, 422),
    (BadRollout, 422),
    (RolloutChanged, 409),
    (ValueRefused, 422),
    (ArchiveUnavailable, 503),
    (TurnRejected, 409),
    (CallEnded, 410),
    (CallDeclined, 403),
    (CallRefused, 503),
    (StoreUnavailable, 503),
    (WorkersTooOld, 503),
)
RETRY_SECONDS = 5


def guarded(call: ApiCall, scope: Scope) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that calls `call` if the request has a key that allows what needs `scope`."""

    async def endpoint(request: Request) -> Response:
        ingress = ingress_of(request)
        by = check_key(request, ingress.settings, scope)
        tracing.trust_entry()
        status = 500
        try:
            response = await _answer(call, ingress, request)
            status = response.status_code
            return response
        except HTTPException as error:
            status = error.status_code
            raise
        finally:
            log_change(request, scope, by, status)

    return endpoint


async def _answer(call: ApiCall, ingress: Ingress, request: Request) -> Response:
    try:
        return await call(ingress, request)
    except VoiceAgentError as error:
        if isinstance(error, CallRefused):
            catalog.CALLS_REFUSED.inc("limit")
        raise as_http(error) from error


def as_http(error: VoiceAgentError) -> HTTPException:
    """Return the error as an HTTP error with the same sentence."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None
    return HTTPException(status, str(error), headers)


def call_sid_in(request: Request) -> str:
    """Return the call SID in the path. Raise `BadCallSid`, also where the path is not UTF-8."""
    try:
        unquote_to_bytes(request.scope.get("raw_path", b"")).decode()
    except UnicodeDecodeError:
        raise BadCallSid from None
    return checked_call_sid(request.path_params["call_sid"])
