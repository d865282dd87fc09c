"""The first webhook of a call that this deployment placed."""

import contextlib
import logging

from orchestrator.errors import StoreUnavailable
from web.outbound.outbound_call import OutboundContext, read_outbound_context
from web.seal import Seal
from web.twilio import twiml
from web.twilio.voice_request import VoiceRequest

logger = logging.getLogger(__name__)


async def outbound_context(request: VoiceRequest, seal: Seal) -> OutboundContext | None:
    """Return the context in the webhook's URL; None for an incoming call, or when the seal is not ours."""
    sealed = request.query.get("errand")
    if not sealed or not await _knows(request, seal, sealed):
        return None
    return read_outbound_context(seal, sealed)


async def _knows(request: VoiceRequest, seal: Seal, sealed: str) -> bool:
    with contextlib.suppress(StoreUnavailable):
        if await seal.knows(sealed):
            return True
    logger.warning(
        "An outbound call begins without its context: this process has not the key of its seal. Set SEAL_KEY.",
        extra={"action": "outbound.context_lost", "call_sid": request.call_sid},
    )
    return False


def hang_up_on_machine(request: VoiceRequest) -> str:
    """Return TwiML that ends a call which a machine answered."""
    logger.info(
        "A machine answered; hanging up",
        extra={"action": "outbound.machine", "call_sid": request.call_sid, "answered_by": request.answered_by},
    )
    return twiml.hang_up()
