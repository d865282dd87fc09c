"""`POST /twilio/voice`: a call came in, or returns."""

import logging
from dataclasses import replace
from functools import partial

from starlette.responses import Response

from orchestrator import clock
from orchestrator.conversation.sensitive import awaits_sensitive
from orchestrator.errors import CallDeclined
from orchestrator.routes.choice import Choice
from orchestrator.routes.table import IncomingCall
from web.agent_choice import channel_of, choice_in, choice_of, without_hook
from web.ingress import Ingress
from web.outbound.call_state import add_slots, create_placed_state
from web.outbound.outbound_call import OutboundContext
from web.twilio import twiml
from web.twilio.answer import answer, deliver
from web.twilio.awaited_turn import AwaitedTurn
from web.twilio.continuation import TwimlAnswer, is_to_continue, known_before, step_from_state
from web.twilio.erased_call import is_known_erased
from web.twilio.held_turn import HeldTurn
from web.twilio.known_call import KnownCall
from web.twilio.outbound_context import hang_up_on_machine, outbound_context
from web.twilio.overload import refusal
from web.twilio.relay.connect import connect, provider_reconnects
from web.twilio.relay.tickets import next_ticket
from web.twilio.transfer.fallback import failed_return, says_outcome
from web.twilio.transfer.leaving import UNREACHABLE
from web.twilio.transfer.outcome import TALKED, with_result
from web.twilio.transfer.relay import returned_to_relay
from web.twilio.transfer.way_back import WayBack, way_back_of
from web.twilio.turn import turn
from web.twilio.turn_ids import START
from web.twilio.twiml_response import TwimlResponse
from web.twilio.voice_request import VoiceRequest

logger = logging.getLogger(__name__)

LEAST_WAIT_SECONDS = 0.5


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
    if (way := way_back_of(request.query)) is not None:
        return await _returned(ingress, request, way, since)
    if (failed := failed_return(request)) is not None:
        if says_outcome(failed):
            return await (voice if failed.number == "0" else turn)(ingress, failed)
        request = replace(request, error_code="")
    context = await outbound_context(request, ingress.seal)
    if context is not None and context.hangs_up_on(request.answered_by):
        return TwimlResponse(hang_up_on_machine(request))
    known = await known_before(ingress, request)
    if known is not None and is_to_continue(request, known):
        return await _continue(ingress, request, known, since)
    try:
        if known is None and context is None and (refused := await refusal(ingress, request)) is not None:
            return refused
        choice = choice_in(known.state) if known is not None else await _choice(ingress, request, context)
    except CallDeclined as error:
        return TwimlResponse(twiml.farewell(error.words or twiml.DECLINED, request.languages(ingress.voices)))
    return await _begin(ingress, request, context, choice, since)


async def _returned(ingress: Ingress, request: VoiceRequest, way: WayBack, since: float) -> Response:
    """Answer a caller who had left a relay session, or who was to be connected after an apology."""
    if way.leave != "apology":
        return await returned_to_relay(ingress, request, way)
    if with_result(way, request).status in TALKED:
        return TwimlResponse(twiml.hang_up())
    known = await known_before(ingress, request)
    if known is None:
        return TwimlResponse(twiml.farewell(UNREACHABLE, request.languages(ingress.voices)))
    return await _continue(ingress, request, known, since)


async def _choice(ingress: Ingress, request: VoiceRequest, context: OutboundContext | None) -> Choice:
    """Return who answers: what was chosen when we placed the call, else what the routes say. Raise `CallDeclined`."""
    if context is not None and context.choice is not None:
        return Choice.unpacked(context.choice)
    if request.is_placed:
        return without_hook(ingress.routes, request.our_number, request.call_sid, is_placed=True)
    return await choice_of(
        ingress,
        IncomingCall(
            call_sid=request.call_sid,
            from_number=request.from_number,
            to_number=request.to_number,
            direction=request.direction,
            provider=request.provider,
        ),
    )


async def _begin(
    ingress: Ingress, request: VoiceRequest, context: OutboundContext | None, choice: Choice, since: float
) -> Response:
    channel = channel_of(ingress.routes, ingress.settings, choice)
    if channel == "relay" and await is_known_erased(ingress, request.call_sid):
        return TwimlResponse(twiml.farewell(twiml.GOODBYE, request.languages(ingress.voices)))
    opening = {**request.opening, "channel": channel, **choice.opening}
    if context is not None:
        opening["slots"] = {**choice.slots, **context.initial_slots(request.answered_by)}
        await add_slots(ingress.runtime.states, request.call_sid, opening["slots"])
    if channel == "relay":  # the call begins with its socket's first frame
        if context is not None:  # that frame does not carry the context
            accept = partial(ingress.runtime.dispatcher.accept, admission=choice.admission)
            await create_placed_state(ingress.runtime.states, accept, request.call_sid, opening)
        ticket = await next_ticket(ingress, request, choice if ingress.routes.agents else None)
        xml = connect(
            request.base_url(ingress.settings),
            ticket=ticket.sealed(ingress.seal),
            now=since,
            agent=choice.agent,
            voices=ingress.voices.at(request.provider),
            reconnects=provider_reconnects(ingress.settings, request.provider),
        )
        return TwimlResponse(xml)
    held = HeldTurn(turn=request.started(START), opening=opening, admission=choice.admission, since=since)
    languages = request.languages(ingress.voices).of_agent(choice.agent)
    awaited = AwaitedTurn(request.call_sid, START, 0, languages, held, since)
    return await answer(ingress, request, awaited, within=_left(ingress, since))


def _left(ingress: Ingress, since: float) -> float:
    """Return how long the caller may still wait in silence: the hook of a route may have taken a part of that time."""
    return max(ingress.timeouts.filler_after - (clock.now() - since), LEAST_WAIT_SECONDS)


async def _continue(ingress: Ingress, request: VoiceRequest, known: KnownCall, since: float) -> Response:
    languages = request.languages(ingress.voices)
    if (known.state.channel if known.state.channel != "api" else ingress.settings.voice_channel) == "relay":
        if known.state.ended is not None:
            return TwimlResponse(twiml.farewell(twiml.GOODBYE, known.languages_before(None, languages)))
        returned = known.has_left and not request.error_code
        choice = choice_in(known.state) if ingress.routes.agents else None
        ticket = await next_ticket(ingress, request, choice, sensitive=awaits_sensitive(known.state))
        xml = connect(
            request.base_url(ingress.settings),
            ticket=ticket.sealed(ingress.seal),
            now=since,
            returned=returned,
            agent=known.state.agent,
            voices=ingress.voices.at(request.provider),
            reconnects=provider_reconnects(ingress.settings, request.provider),
        )
        return TwimlResponse(xml)
    step = step_from_state(request, known, languages)
    if isinstance(step, TwimlAnswer):
        return deliver(ingress, request.call_sid, step)
    return await answer(ingress, request, step, within=ingress.timeouts.filler_after)
