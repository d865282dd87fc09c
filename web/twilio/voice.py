"""`POST /twilio/voice`: a call came in."""

import logging
import time

from starlette.responses import Response

from web.ingress import Ingress
from web.outbound.answering import begin_early, errand_of, unanswered
from web.twilio.answer import Asked, TwimlResponse, answer
from web.twilio.fields import VoiceRequest
from web.twilio.held_turn import HeldTurn
from web.twilio.language import Languages
from web.twilio.relay.connect import connect
from web.twilio.turn_ids import START

logger = logging.getLogger(__name__)


async def voice(ingress: Ingress, request: VoiceRequest) -> Response:
    """Begin the call; a retry hears the same greeting."""
    logger.info(
        "Call came in",
        extra={
            "action": "call.incoming",
            "call_sid": request.call_sid,
            "turn_id": START,
            "direction": request.direction,
        },
    )
    since = time.time()
    errand = errand_of(request, ingress.seal)
    if errand is not None and errand.is_in_vain(request.answered_by):
        return TwimlResponse(unanswered(request))
    opening = {**request.opening, "slots": errand.opened_by(request.answered_by)} if errand else request.opening
    if ingress.settings.voice_channel == "relay":  # the call begins with its socket's first frame
        if errand is not None:
            await begin_early(ingress, request.call_sid, {**opening, "channel": "relay"})
        return TwimlResponse(connect(ingress.settings.public_base_url or request.host_url, now=since))
    held = HeldTurn(turn=request.started(START), opening=opening, since=since)
    asked = Asked(request.call_sid, START, 0, Languages.of(request.query), held, since)
    return await answer(ingress, request, asked, within=ingress.pace.filler_after)
