"""What an answered outbound call knows of its order."""

import contextlib
import logging

from pydantic import ValidationError

from orchestrator.errors import StoreUnavailable
from web.outbound.order import Errand
from web.seal import Seal
from web.twilio import twiml
from web.twilio.fields import VoiceRequest

logger = logging.getLogger(__name__)


async def errand_of(request: VoiceRequest, seal: Seal) -> Errand | None:
    """The errand that travels in the URL; None for a call that came in, or when the seal is not ours."""
    sealed = request.query.get("errand")
    if not sealed or not await _knows(request, seal, sealed):
        return None
    content = seal.unwrap(sealed)
    if content is None:
        return None
    try:
        return Errand.model_validate_json(content)
    except ValidationError:  # a newer version's
        return None


async def _knows(request: VoiceRequest, seal: Seal, sealed: str) -> bool:
    with contextlib.suppress(StoreUnavailable):
        if await seal.knows(sealed):
            return True
    logger.warning(
        "An outbound call begins without its errand, whose seal is not open to this process. Set SEAL_KEY.",
        extra={"action": "outbound.context_lost", "call_sid": request.call_sid},
    )
    return False


def unanswered(request: VoiceRequest) -> str:
    """TwiML for a machine that nobody wants to talk to."""
    logger.info(
        "A machine answered; hanging up",
        extra={"action": "outbound.machine", "call_sid": request.call_sid, "answered_by": request.answered_by},
    )
    return twiml.hang_up()
