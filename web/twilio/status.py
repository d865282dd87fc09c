"""`POST /twilio/status`: how a call goes, told in no order, perhaps twice, perhaps of unknown calls.

Every webhook tells the status, and whoever hangs up amid a `<Gather>` may be heard of by its action first.
"""

import logging
from contextlib import suppress
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.errors import CallEnded, StoreUnavailable, TurnRejected, UnknownCall
from web.ingress import Ingress
from web.twilio import twiml
from web.twilio.fields import VoiceRequest
from web.twilio.turn_ids import turn_id_of
from web.twilio.twiml_response import TwimlResponse
from web.twilio.webhook import Webhook

logger = logging.getLogger(__name__)

TERMINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
ENDED = "ended"
PLACED = "outbound-api"
SUBMIT_SECONDS = 5.0


async def status(ingress: Ingress, request: VoiceRequest) -> Response:
    """End the call when its status is terminal; 503 while the store is away, so that it is told again."""
    if request.call_status in TERMINAL:
        await end_call(ingress, request.call_sid, request.call_status, _opening_of(request))
    return Response(status_code=204)


def unless_ended(webhook: Webhook) -> Webhook:
    """`webhook`, for calls that go on. One with a terminal status ends the call, if it is known, and begins none."""

    async def for_live_calls(ingress: Ingress, request: VoiceRequest) -> Response:
        if request.call_status not in TERMINAL:
            return await webhook(ingress, request)
        await _store_last_words(ingress, request)
        await end_call(ingress, request.call_sid, request.call_status, _opening_of(request))
        return TwimlResponse(twiml.empty())

    return for_live_calls


async def _store_last_words(ingress: Ingress, request: VoiceRequest) -> None:
    """What was said before the caller hung up stands in the record, though nobody hears an answer."""
    number = request.numbered
    if not number or request.kind == "silence":
        return
    turn = request.turn(turn_id_of(number))
    with suppress(UnknownCall, CallEnded, TurnRejected, StoreUnavailable):
        await submit_by(
            ingress.runtime.dispatcher, turn, deadline_seconds=min(SUBMIT_SECONDS / 2, ingress.timeouts.store)
        )


def _opening_of(request: VoiceRequest) -> dict[str, Any] | None:
    """What a call that is over begins with if it is unknown. A placed call is known, unless its end has overtaken the
    provider's answer to our order: it gets a record."""
    return request.opening if request.direction == PLACED else None


async def end_call(ingress: Ingress, call_sid: str, status: str, opening: dict[str, Any] | None = None) -> None:
    """End the call with this status, unless it has ended. Answers 503 while the store is away.

    A call that is unknown begins with `opening`, to be ended; without it, it cannot begin any more for a while.
    """
    turn = Turn(turn_id=ENDED, call_sid=call_sid, kind="ended", text=status)
    try:
        within = min(SUBMIT_SECONDS, ingress.timeouts.store)
        pending = await submit_by(ingress.runtime.dispatcher, turn, deadline_seconds=within, opening=opening)
    except (UnknownCall, CallEnded):
        return
    except (StoreUnavailable, TurnRejected) as error:
        raise HTTPException(503, str(error), headers={"Retry-After": "5"}) from None
    if pending.result is not None:  # it was told before
        return
    logger.info(
        "The provider says that the call is over",
        extra={
            "action": "call.over",
            "call_sid": call_sid,
            "turn_id": ENDED,
            "status": status,
        },
    )
