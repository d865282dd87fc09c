"""How a caller leaves a relay session, to be connected or recorded, and comes back to a new one.

The session ends with a frame whose `handoffData` the provider passes on to the action of `<Connect>`. It holds all of
the action, so that a caller is connected also while Redis is down. The caller returns to `/twilio/voice`: the new
session's ticket carries the turn with which it begins.
"""

import json
from contextlib import suppress
from functools import partial
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from starlette.responses import Response
from twilio.twiml.voice_response import VoiceResponse

from orchestrator import clock
from orchestrator.conversation.leaving import Record, Transfer
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable, UnreadableState
from web.ingress import Ingress
from web.store_call import store_call
from web.twilio.known_call import READ_SECONDS
from web.twilio.language import Languages
from web.twilio.relay.connect import connect, provider_reconnects
from web.twilio.relay.tickets import TICKET_PARAMETER, next_ticket
from web.twilio.transfer.leaving import VOICE_PATH, Exit, add_fallback_dial, add_leaving
from web.twilio.transfer.returned import Return, caller_returned
from web.twilio.transfer.way_back import LONGEST_ID, WayBack, returned_turn_id
from web.twilio.twiml_response import TwimlResponse
from web.twilio.voice_request import VoiceRequest

_ACTION: TypeAdapter[Transfer | Record] = TypeAdapter(
    Annotated[Transfer | Record, Field(discriminator="type")], config=ConfigDict(defer_build=True)
)


def document_after_session(request: VoiceRequest, languages: Languages) -> str:
    """Return the TwiML that follows a session which we ended: it connects or records the caller, or hangs up."""
    handoff = _read(request.handoff_data)
    by = handoff.get("turn_id")
    response = VoiceResponse()
    if isinstance(by, str) and 0 < len(by) <= LONGEST_ID:
        with suppress(ValidationError):
            action = _ACTION.validate_python(handoff.get("action"))
            add_leaving(response, action, Exit(request.call_sid, by, _path(request, languages), languages))
            return str(response.to_xml())
    to = handoff.get("to")
    if isinstance(to, str) and to.strip():
        add_fallback_dial(response, to.strip(), languages)
    else:
        response.hangup()
    return str(response.to_xml())


async def returned_to_relay(ingress: Ingress, request: VoiceRequest, way: WayBack) -> Response:
    """Open a new session that begins with the caller's return, unless someone else is rung or the call is over."""

    async def answer(turn: Turn) -> Response:
        ticket = await next_ticket(ingress, request, first_turn=turn)
        xml = connect(
            request.base_url(ingress.settings),
            ticket=ticket.sealed(ingress.seal),
            now=clock.now(),
            returned=True,  # for a process of the previous version, which does not know first turns
            agent=await _agent(ingress, request, ticket.choice.agent if ticket.choice is not None else ""),
            voices=ingress.voices.at(request.provider),
            reconnects=provider_reconnects(ingress.settings, request.provider),
        )
        return TwimlResponse(xml)

    languages = request.languages(ingress.voices)
    back = Return(returned_turn_id(way.by), _path(request, languages), languages, answer)
    return await caller_returned(ingress, request, way, back)


def _path(request: VoiceRequest, languages: Languages) -> "partial[str]":
    ticket = request.query.get(TICKET_PARAMETER)
    return partial(languages.path, VOICE_PATH, **({TICKET_PARAMETER: ticket} if ticket else {}))


def _read(text: str) -> dict[str, object]:
    try:
        handoff = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return handoff if isinstance(handoff, dict) else {}


async def _agent(ingress: Ingress, request: VoiceRequest, chosen: str) -> str:
    """Return who has the call now; `chosen` had it first."""
    if ingress.routes.agents:
        with suppress(StoreUnavailable, UnreadableState):
            state = await store_call(ingress.runtime.states.get_state(request.call_sid), READ_SECONDS)
            if state is not None:
                return state.agent
    return chosen
