"""What enters a live call from outside: signals, and what a person says and does in the agent's place.

Each is a turn of the call, once for each `signal_id`, and is answered as a text turn is.
"""

from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator import clock
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.errors import CallEnded, CallFull, StoreUnavailable, UnreadableState
from orchestrator.health.features import SCHEDULE
from orchestrator.process_metrics import catalog
from orchestrator.turns.bounds import is_refusal
from web.api.checked_body import read_body_as
from web.api.endpoint import call_sid_in
from web.api.signal_body import HangUpByHand, Say, Signal, TransferByHand
from web.api.stream import EVENT_STREAM, TurnStream, still_running
from web.api.text_turn import answer_of
from web.api.turns import CHANNEL, SUBMIT_SECONDS, reply_seconds, why_ended
from web.ingress import Ingress
from web.live_update import LiveUpdates
from web.store_call import store_call

READ_SECONDS = 2.0


async def send_signal(ingress: Ingress, request: Request) -> Response:
    """Give the agent a turn of kind `signal`, and answer with its reply."""
    return await _enter(ingress, request, await read_body_as(Signal, request))


async def say(ingress: Ingress, request: Request) -> Response:
    """Say something to the caller in the agent's place."""
    return await _enter(ingress, request, await read_body_as(Say, request))


async def transfer(ingress: Ingress, request: Request) -> Response:
    """Connect the caller with somebody."""
    body = await read_body_as(TransferByHand, request)
    body.check_allowed(ingress.settings)
    return await _enter(ingress, request, body)


async def hang_up(ingress: Ingress, request: Request) -> Response:
    """End the call."""
    return await _enter(ingress, request, await read_body_as(HangUpByHand, request))


async def _enter(ingress: Ingress, request: Request, body: Signal | Say | TransferByHand | HangUpByHand) -> Response:
    turn = body.turn(call_sid_in(request), clock.utc_now())
    if body.is_sensitive:
        turn = ingress.sensitive_turns.hidden(turn)
    streams = EVENT_STREAM in request.headers.get("accept", "")
    updates: LiveUpdates = request.app.state.live_updates

    async def answer(result: TurnResult) -> dict[str, Any]:
        if is_refusal(result):
            raise CallFull
        return answer_of(result) | await _delivery(ingress, updates, turn)

    pending = await _submit(ingress, turn, streams)
    if pending.was_recorded:
        catalog.DUPLICATES_ABSORBED.inc(CHANNEL)
    if turn.interrupt:
        updates.start(turn, pending)
    if streams:
        return TurnStream(
            pending,
            seconds=reply_seconds(ingress),
            timeouts=ingress.timeouts,
            answer=answer,
        )
    result = await pending.wait(reply_seconds(ingress))
    if result is None:
        raise still_running()
    return JSONResponse(await answer(result))


async def _submit(ingress: Ingress, turn: Turn, streams: bool) -> PendingReply:
    within = min(SUBMIT_SECONDS, ingress.timeouts.store)
    await store_call(ingress.runtime.check_workers_know(SCHEDULE, turn.call_sid), within)
    try:
        return await submit_by(ingress.runtime.dispatcher, turn, stream=streams, deadline_seconds=within)
    except CallEnded as error:
        raise await why_ended(ingress, turn.call_sid, error) from None


async def _delivery(ingress: Ingress, updates: LiveUpdates, turn: Turn) -> dict[str, str]:
    """Return how the caller hears the reply, if that is known."""
    with suppress(StoreUnavailable, UnreadableState):
        state = await store_call(ingress.runtime.states.get_state(turn.call_sid), READ_SECONDS)
        if state is not None:
            return {"delivery": updates.delivery(state, turn)}
    return {}
