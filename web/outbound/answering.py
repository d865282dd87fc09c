"""What an answered outbound call knows of its order."""

import asyncio
import logging
from typing import Any

from pydantic import ValidationError

from orchestrator.errors import VoiceAgentError
from web.ingress import Ingress
from web.outbound.order import Errand
from web.twilio import twiml
from web.twilio.fields import VoiceRequest
from web.twilio.held_turn import Seal

logger = logging.getLogger(__name__)

BEGIN_SECONDS = 2.0


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


async def begin_early(ingress: Ingress, call_sid: str, opening: dict[str, Any]) -> None:
    """Begin the call's state now: a relay's first frame does not carry the errand. Without a store the call goes
    on, and the agent knows nothing of its errand."""
    try:
        async with asyncio.timeout(BEGIN_SECONDS):
            await ingress.runtime.states.create_state(call_sid, **opening)
    except (VoiceAgentError, TimeoutError) as error:
        logger.warning(
            "An outbound call begins without its errand: %s",
            str(error) or "the store does not answer in time",
            extra={"action": "outbound.forgetful", "call_sid": call_sid},
        )
