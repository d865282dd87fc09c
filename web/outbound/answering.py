"""What an answered outbound call knows of its order."""

import logging

from pydantic import ValidationError

from web.outbound.order import Errand
from web.twilio import twiml
from web.twilio.fields import VoiceRequest
from web.twilio.held_turn import Seal

logger = logging.getLogger(__name__)


def errand_of(request: VoiceRequest, seal: Seal) -> Errand | None:
    """The errand that travels in the URL; None for a call that came in, or when the seal is not ours."""
    sealed = request.query.get("errand")
    content = seal.unwrap(sealed) if sealed else None
    if content is None:
        return None
    try:
        return Errand.model_validate_json(content)
    except ValidationError:  # a newer version's
        return None


def unanswered(request: VoiceRequest) -> str:
    """TwiML for a machine that nobody wants to talk to."""
    logger.info(
        "A machine answered; hanging up",
        extra={"action": "outbound.machine", "call_sid": request.call_sid, "answered_by": request.answered_by},
    )
    return twiml.hang_up()
