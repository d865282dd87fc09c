"""`POST /calls`: place an outbound call."""

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.provider_api.errors import ProviderError
from web.api.agent_name import check_agent
from web.api.checked_body import read_body_as
from web.ingress import Ingress
from web.outbound.call_placer import CallPlacer
from web.outbound.outbound_call import OutboundCall
from web.problems import provider_problem

logger = logging.getLogger(__name__)

MAX_KEY_CHARACTERS = 255


async def place_call(ingress: Ingress, request: Request) -> Response:
    """Answer 201 with the call SID. With an `Idempotency-Key`, equal requests get the same call for a day."""
    call = await read_body_as(OutboundCall, request)
    check_agent(ingress, call.agent)
    key = _key(request)
    placer: CallPlacer = request.app.state.call_placer
    try:
        placed, is_replay = await placer.place(call, key)
    except ProviderError as error:
        # The sentence is left out: the provider's own words quote phone numbers.
        logger.warning("A call was not placed", extra={"action": "outbound.failed", "status": error.status})
        raise provider_problem(error.status, str(error), may_retry=error.status in (409, 503)) from None
    headers = {"Location": f"{ingress.settings.base_path}/calls/{placed.call_sid}"}
    if is_replay:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse({"call_sid": placed.call_sid, "status": placed.status}, 201, headers)


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARACTERS and key.isprintable()):
        raise HTTPException(400, f"Idempotency-Key wants 1 to {MAX_KEY_CHARACTERS} printable characters.")
    return key
