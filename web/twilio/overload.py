"""Refuses calls that come in while the system sheds load."""

import logging
from contextlib import suppress

from starlette.responses import Response

from orchestrator.errors import StoreUnavailable, UnreadableState
from orchestrator.process_metrics import catalog
from web.agent_choice import without_hook
from web.ingress import Ingress
from web.store_call import store_call
from web.twilio import twiml
from web.twilio.known_call import READ_SECONDS
from web.twilio.twiml_response import TwimlResponse
from web.twilio.voice_request import VoiceRequest

logger = logging.getLogger(__name__)


async def refusal(ingress: Ingress, request: VoiceRequest) -> Response | None:
    """Return what a caller hears whose call is refused; None if it is taken: it has begun already, or we placed it."""
    tenant = without_hook(ingress.routes, request.our_number, request.call_sid).tenant
    if request.is_placed or not ingress.shedding.is_shedding(tenant) or await _has_begun(ingress, request.call_sid):
        return None
    if not ingress.shedding.refuses(tenant):
        return None
    catalog.CALLS_REFUSED.inc("overload")
    extra = {"action": "call.refused", "call_sid": request.call_sid}
    logger.warning("A call was refused: turns wait too long for a worker", extra=extra)
    if request.call_status == "ringing":
        return TwimlResponse(twiml.reject())
    return TwimlResponse(twiml.farewell(twiml.BUSY, request.languages(ingress.voices)))


async def _has_begun(ingress: Ingress, call_sid: str) -> bool:
    """True if this is a webhook that the provider repeats."""
    try:
        with suppress(StoreUnavailable):
            return await store_call(ingress.runtime.states.get_state(call_sid), READ_SECONDS) is not None
    except UnreadableState:
        return True
    return False
