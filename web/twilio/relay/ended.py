"""`POST /twilio/relay/ended`: Connect's action. A session has ended; the call may go on.

`SessionStatus` is `ended` (we sent `end`: hand over or hang up), `failed` (the socket was lost: open a new one) or
`completed` (the caller hung up).
"""

import json
import logging
import math

from starlette.responses import Response

from orchestrator import clock
from web.ingress import Ingress
from web.twilio import twiml
from web.twilio.fields import VoiceRequest
from web.twilio.language import Languages
from web.twilio.relay.connect import connect
from web.twilio.relay.connection_history import read_history
from web.twilio.relay.resumption import HISTORY_PARAMETER
from web.twilio.relay.tickets import next_ticket, note_over
from web.twilio.status import end_call
from web.twilio.twiml_response import TwimlResponse
from web.twilio.webhook import Webhook

logger = logging.getLogger(__name__)

STABLE_SECONDS = 10.0
"""A session that lasted so long had begun well; failing is not its habit."""
HASTE_SECONDS = 2.0
"""Sessions that have failed early for so long are asked for with a pause between: nobody answers sockets just now."""


async def ended(ingress: Ingress, request: VoiceRequest) -> Response:
    """Hand over, hang up, reconnect or note the end."""
    status = request.session_status
    if status == "completed":
        await end_call(ingress, request.call_sid, "completed")
        return TwimlResponse(twiml.empty())
    if status == "ended":
        return TwimlResponse(_after_end(request))
    return TwimlResponse(await _again(ingress, request))


def leaving(webhook: Webhook) -> Webhook:
    """`webhook`, once it is noted that the session is over."""

    async def noted(ingress: Ingress, request: VoiceRequest) -> Response:
        await note_over(ingress, request)
        return await webhook(ingress, request)

    return noted


def _after_end(request: VoiceRequest) -> str:
    to = _handed_to(request.handoff_data)
    return twiml.dial(to) if to else twiml.hang_up()


def _handed_to(text: str) -> str:
    """Who the caller is handed to; "" for nobody."""
    try:
        handoff = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    to = handoff.get("to") if isinstance(handoff, dict) else None
    return to.strip() if isinstance(to, str) else ""


async def _again(ingress: Ingress, request: VoiceRequest) -> str:
    """A new session, told when the last one was lost; after too many that failed early, an apology."""
    now = clock.now()
    lasted = _seconds(request.session_duration)
    begun = _seconds(request.query.get("since", "")) or now
    lost_at = now if lasted is None else min(now, begun + lasted)
    history = read_history(request.query.get(HISTORY_PARAMETER, "")).with_lost(min(begun, now), lost_at)
    is_early = lasted is None or lasted < STABLE_SECONDS
    failing = (_seconds(request.query.get("failing", "")) or begun) if is_early else now
    extra = {"action": "relay.lost", "call_sid": request.call_sid, "error": request.error_code}
    logger.warning("A relay socket was lost; the call is connected again", extra=extra)
    if now - failing > ingress.timeouts.hold:
        logger.error("Relay sockets fail again and again", extra={**extra, "action": "call.hold_timed_out"})
        return twiml.apology(ingress.settings.transfer_to, Languages())
    base_url = ingress.settings.public_base_url or request.host_url
    in_a_moment = now - failing > HASTE_SECONDS and is_early
    return connect(
        base_url,
        ticket=await next_ticket(ingress, request),
        now=now,
        history=history,
        failing_since=failing if is_early else None,
        in_a_moment=in_a_moment,
    )


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
