"""`POST /twilio/relay/ended`: the action of `<Connect>`, requested when a session is over. The call may continue.

`SessionStatus` is `ended` (we sent `end`: transfer, record or hang up), `failed` (the socket was lost: open a new one)
or `completed` (the caller hung up).
"""

import logging
import math
from contextlib import suppress

from starlette.responses import Response

from orchestrator import clock
from orchestrator.errors import StoreUnavailable, UnreadableState
from orchestrator.routes.choice import Choice
from web.call_log import log_hold_timed_out
from web.ingress import Ingress
from web.store_call import store_call
from web.twilio import twiml
from web.twilio.erased_call import is_known_erased
from web.twilio.known_call import READ_SECONDS
from web.twilio.relay.connect import connect, provider_reconnects
from web.twilio.relay.connection_history import read_history
from web.twilio.relay.resumption import HISTORY_PARAMETER
from web.twilio.relay.tickets import next_ticket, retire_ticket
from web.twilio.status import end_call
from web.twilio.transfer.relay import document_after_session
from web.twilio.twiml_response import TwimlResponse
from web.twilio.voice_request import VoiceRequest
from web.twilio.webhook import Webhook

logger = logging.getLogger(__name__)

STABLE_SECONDS = 10.0
"""A session that lasted longer counts as successful: it does not add to a series of failures."""
RETRY_AT_ONCE_SECONDS = 2.0
"""When sessions have failed early for longer, new ones begin after a pause, because no ingress answers sockets now."""


async def ended(ingress: Ingress, request: VoiceRequest) -> Response:
    """Answer with TwiML that transfers, records, hangs up or reconnects; or record that the call is over."""
    status = request.session_status
    if status == "completed":
        await end_call(ingress, request.call_sid, "completed")
        return TwimlResponse(twiml.empty())
    if status == "ended":
        return TwimlResponse(document_after_session(request, request.languages(ingress.voices)))
    return TwimlResponse(await _reconnect(ingress, request))


def retiring_ticket(webhook: Webhook) -> Webhook:
    """Return `webhook`, preceded by retiring the ticket of the session that is over."""

    async def retire_first(ingress: Ingress, request: VoiceRequest) -> Response:
        await retire_ticket(ingress, request)
        return await webhook(ingress, request)

    return retire_first


async def _reconnect(ingress: Ingress, request: VoiceRequest) -> str:
    """Return TwiML for a new session. If sessions have failed early for too long, apologise instead."""
    if await is_known_erased(ingress, request.call_sid):
        return twiml.farewell(twiml.GOODBYE, request.languages(ingress.voices))
    now = clock.now()
    lasted = _seconds(request.session_duration)
    begun = _seconds(request.query.get("since", "")) or now
    lost_at = now if lasted is None else min(now, begun + lasted)
    history = read_history(request.query.get(HISTORY_PARAMETER, "")).with_lost(min(begun, now), lost_at)
    is_early = lasted is None or lasted < STABLE_SECONDS
    failing = (_seconds(request.query.get("failing", "")) or begun) if is_early else now
    extra = {"action": "relay.lost", "call_sid": request.call_sid, "error": request.error_code}
    logger.warning("A relay socket was lost; reconnecting the call", extra=extra)
    if now - failing > ingress.timeouts.hold:
        log_hold_timed_out("relay sockets keep failing", call_sid=request.call_sid, error=request.error_code)
        languages = request.languages(ingress.voices).of_agent(await _agent_now(ingress, request, None))
        return twiml.apology(ingress.settings.transfer_to, languages)
    base_url = ingress.settings.public_base_url or request.host_url
    after_pause = now - failing > RETRY_AT_ONCE_SECONDS and is_early
    ticket = await next_ticket(ingress, request)
    return connect(
        base_url,
        ticket=ticket.sealed(ingress.seal),
        now=now,
        history=history,
        failing_since=failing if is_early else None,
        after_pause=after_pause,
        agent=await _agent_now(ingress, request, ticket.choice),
        voices=ingress.voices.at(request.provider),
        reconnects=provider_reconnects(ingress.settings, request.provider),
    )


async def _agent_now(ingress: Ingress, request: VoiceRequest, choice: Choice | None) -> str:
    """Return who has the call: another agent may have it since `choice` was made. "" is the agent of `AGENT`."""
    if ingress.routes.agents:
        with suppress(StoreUnavailable, UnreadableState):
            state = await store_call(ingress.runtime.states.get_state(request.call_sid), READ_SECONDS)
            if state is not None:
                return state.agent
    return choice.agent if choice is not None else ""


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
