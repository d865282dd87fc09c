"""`DELETE /calls/{call_sid}?erase=true`: erases a call everywhere."""

import logging
from contextlib import suppress
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from orchestrator import clock
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import UnknownCall, UnreadableState
from orchestrator.events.call_events import CallEvents
from orchestrator.process_metrics import catalog
from web.api.hanging_up import hang_up_live
from web.ingress import Ingress

logger = logging.getLogger(__name__)

ROUNDS = 2
"""A step that was under way when the call's keys went is over by the second round."""


async def erase_call(ingress: Ingress, request: Request, call_sid: str) -> Response:
    """End the call, and erase all that is kept of it. Repeating it completes what was cut short.

    A call that only the database, an outbox or a dead letter remembers is erased, too.
    """
    runtime, state = ingress.runtime, await _state(ingress, call_sid)
    if state is not None:
        await hang_up_live(request.app.state.call_placer.api, state)
    erasures = runtime.dispatcher.erasures(call_sid)
    was_erased = [await erasure.begin(call_sid) for erasure in erasures]
    is_known = await _erase_records(request, call_sid) or state is not None
    told = CallEvents.of(ingress.settings).erased(call_sid, state)
    is_phone = state is None or state.channel != "api"
    for _ in range(ROUNDS):
        for erasure in erasures:
            found = await erasure.erase(call_sid, told, is_known=is_known, is_phone=is_phone)
            is_known, told = found or is_known, None
        is_known = await runtime.states.delete_state(call_sid) or is_known
        is_known = await request.app.state.call_placer.idempotency.erase(call_sid) > 0 or is_known
    await runtime.erase_reports(call_sid)
    runtime.documents.forget(call_sid)
    runtime.transfer_answers.forget(call_sid)
    ingress.late_timings.forget(call_sid)
    if not (is_known or any(was_erased)):
        for erasure in erasures:
            await erasure.forget(call_sid)
        raise UnknownCall
    catalog.CALLS_ERASED.inc()
    logger.info("A call was erased", extra={"action": "call.erased", "call_sid": call_sid})
    return Response(status_code=204)


async def _state(ingress: Ingress, call_sid: str) -> ConversationState | None:
    """Return the state; None if there is none, or it cannot be read."""
    with suppress(UnreadableState):
        return await ingress.runtime.states.get_state(call_sid)
    return None


async def _erase_records(request: Request, call_sid: str) -> bool:
    """Erase the call from the database, if there is one. Return whether it had any of it."""
    archive = request.app.state.archive
    return archive is not None and await archive.erase(call_sid, datetime.fromtimestamp(clock.now(), UTC)) > 0
