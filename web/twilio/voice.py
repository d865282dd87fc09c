"""`POST /twilio/voice`: a call came in, or returns."""

import logging
from contextlib import suppress

from starlette.responses import Response

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from web.ingress import Ingress
from web.outbound.call_state import add_slots, create_placed_state
from web.outbound.outbound_call import OutboundContext
from web.store_call import store_call
from web.twilio import twiml
from web.twilio.answer import answer, deliver
from web.twilio.awaited_turn import AwaitedTurn
from web.twilio.continuation import TwimlAnswer, call_to_continue, step_from_state
from web.twilio.held_turn import HeldTurn
from web.twilio.known_call import READ_SECONDS, KnownCall
from web.twilio.language import Languages
from web.twilio.outbound_context import hang_up_on_machine, outbound_context
from web.twilio.relay.connect import connect
from web.twilio.relay.tickets import next_ticket
from web.twilio.turn_ids import START
from web.twilio.twiml_response import TwimlResponse
from web.twilio.voice_request import VoiceRequest

logger = logging.getLogger(__name__)


async def voice(ingress: Ingress, request: VoiceRequest) -> Response:
    """Begin the call. A retry gets the same greeting; a call that returns continues from its state."""
    logger.info(
        "Call came in",
        extra={
            "action": "call.incoming",
            "call_sid": request.call_sid,
            "turn_id": START,
            "direction": request.direction,
        },
    )
    since = clock.now()
    context = await outbound_context(request, ingress.seal)
    if context is not None and context.hangs_up_on(request.answered_by):
        return TwimlResponse(hang_up_on_machine(request))
    known = await call_to_continue(ingress, request)
    if known is not None:
        return await _continue(ingress, request, known, since)
    return await _begin(ingress, request, context, since)


async def _begin(ingress: Ingress, request: VoiceRequest, context: OutboundContext | None, since: float) -> Response:
    channel = ingress.settings.voice_channel
    if channel == "relay" and await _is_erased(ingress, request):
        return TwimlResponse(twiml.farewell(twiml.GOODBYE, Languages.of(request.query)))
    opening = {**request.opening, "channel": channel}
    if context is not None:
        opening["slots"] = context.initial_slots(request.answered_by)
        await add_slots(ingress.runtime.states, request.call_sid, opening["slots"])
    if channel == "relay":  # the call begins with its socket's first frame
        if context is not None:  # that frame does not carry the context
            runtime = ingress.runtime
            await create_placed_state(runtime.states, runtime.dispatcher.accept, request.call_sid, opening)
        ticket = await next_ticket(ingress, request)
        return TwimlResponse(connect(request.base_url(ingress.settings), ticket=ticket, now=since))
    held = HeldTurn(turn=request.started(START), opening=opening, since=since)
    awaited = AwaitedTurn(request.call_sid, START, 0, Languages.of(request.query), held, since)
    return await answer(ingress, request, awaited, within=ingress.timeouts.filler_after)


async def _is_erased(ingress: Ingress, request: VoiceRequest) -> bool:
    """True if the call is known to be erased. While the store is down, the relay's socket checks it."""
    with suppress(StoreUnavailable):
        return await store_call(ingress.runtime.dispatcher.is_erased(request.call_sid), READ_SECONDS)
    return False


async def _continue(ingress: Ingress, request: VoiceRequest, known: KnownCall, since: float) -> Response:
    languages = Languages.of(request.query)
    if ingress.settings.voice_channel == "relay":
        if known.state.ended is not None:
            return TwimlResponse(twiml.farewell(twiml.GOODBYE, known.languages_before(None, languages)))
        returned = known.was_transferred and not request.error_code
        ticket = await next_ticket(ingress, request)
        return TwimlResponse(connect(request.base_url(ingress.settings), ticket=ticket, now=since, returned=returned))
    step = step_from_state(request, known, languages)
    if isinstance(step, TwimlAnswer):
        return deliver(ingress, request.call_sid, step)
    return await answer(ingress, request, step, within=ingress.timeouts.filler_after)
