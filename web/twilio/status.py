"""`POST /twilio/status`: the status of a call. Statuses may come in any order, repeatedly, and for unknown calls.

Every other webhook has a `CallStatus` too. When a caller hangs up during a `<Gather>`, its action may come first.
"""

import logging
from contextlib import suppress
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.errors import CallEnded, StoreUnavailable, TurnRejected, UnknownCall
from web.agent_choice import without_hook
from web.ingress import Ingress
from web.twilio import twiml
from web.twilio.transfer.last_message import wait_for_message
from web.twilio.transfer.outcome import last_return
from web.twilio.transfer.way_back import returned_turn_id, way_back_of
from web.twilio.turn_ids import turn_id_of
from web.twilio.twiml_response import TwimlResponse
from web.twilio.voice_request import VoiceRequest
from web.twilio.webhook import Webhook

logger = logging.getLogger(__name__)

TERMINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
ENDED = "ended"
PLACED_BY_API = "outbound-api"
SUBMIT_SECONDS = 5.0


async def status(ingress: Ingress, request: VoiceRequest) -> Response:
    """End the call when its status is terminal. Answer 503 while the store is down, so that the provider retries."""
    if request.call_status in TERMINAL:
        await wait_for_message(ingress, request.call_sid)
        await end_call(ingress, request.call_sid, request.call_status, _opening_of(ingress, request))
    return Response(status_code=204)


def unless_ended(webhook: Webhook) -> Webhook:
    """Return `webhook` for calls that have not ended. A terminal status ends a known call, and begins none."""

    async def for_live_calls(ingress: Ingress, request: VoiceRequest) -> Response:
        if request.call_status not in TERMINAL:
            return await webhook(ingress, request)
        await _store_last_words(ingress, request)
        await end_call(ingress, request.call_sid, request.call_status, _opening_of(ingress, request))
        return TwimlResponse(twiml.empty())

    return for_live_calls


async def _store_last_words(ingress: Ingress, request: VoiceRequest) -> None:
    """Submit what the caller said before they hung up: it belongs to the transcript, though nobody hears the reply."""
    with suppress(UnknownCall, CallEnded, TurnRejected, StoreUnavailable):
        turn = await _last_words(ingress, request)
        if turn is None:
            return
        await submit_by(
            ingress.runtime.dispatcher, turn, deadline_seconds=min(SUBMIT_SECONDS / 2, ingress.timeouts.store)
        )


async def _last_words(ingress: Ingress, request: VoiceRequest) -> Turn | None:
    """Return what the caller has said, keyed or recorded before they hung up, or how they were connected; None for
    nothing. Raise `StoreUnavailable`.
    """
    number, way = request.numbered, way_back_of(request.query)
    if way is not None:
        turn_id = turn_id_of(number) if number else returned_turn_id(way.by)
        return await last_return(ingress, request, way, turn_id)
    return request.turn(turn_id_of(number)) if number and request.kind != "silence" else None


def _opening_of(ingress: Ingress, request: VoiceRequest) -> dict[str, Any] | None:
    """Return the fields of the state of an ended call that is not known yet; None if it needs no state.

    A placed call is known, unless its end was reported before the provider answered our request: then it gets a state.
    """
    if request.direction != PLACED_BY_API:
        return None
    choice = without_hook(ingress.routes, request.our_number, request.call_sid, is_placed=True)
    return {**request.opening, **choice.opening}


async def end_call(ingress: Ingress, call_sid: str, status: str, opening: dict[str, Any] | None = None) -> None:
    """End the call with this status, unless it has ended. Answer 503 while the store is down.

    A call that is not known gets a state with the fields of `opening` first. Without `opening` it gets none, and for
    some time no webhook can begin it.
    """
    turn = ingress.late_timings.sent_with(Turn(turn_id=ENDED, call_sid=call_sid, kind="ended", text=status))
    try:
        within = min(SUBMIT_SECONDS, ingress.timeouts.store)
        pending = await submit_by(ingress.runtime.dispatcher, turn, deadline_seconds=within, opening=opening)
    except (UnknownCall, CallEnded):
        ingress.late_timings.forget(call_sid)
        return
    except (StoreUnavailable, TurnRejected) as error:
        raise HTTPException(503, str(error), headers={"Retry-After": "5"}) from None
    ingress.late_timings.stored(turn)
    if pending.was_recorded:  # a repeated status
        return
    logger.info(
        "The provider reports that the call has ended",
        extra={
            "action": "call.over",
            "call_sid": call_sid,
            "turn_id": ENDED,
            "status": status,
        },
    )
