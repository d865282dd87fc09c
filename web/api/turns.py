"""`POST /calls/{call_sid}/turns`: a turn as text, answered in JSON or as a stream of tokens."""

from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator import clock
from orchestrator.conversation.reply import TurnResult
from orchestrator.dispatch.dispatcher import first_of, submit_by
from orchestrator.errors import CallEnded, CallFull, StoreUnavailable, UnreadableState
from orchestrator.turns.bounds import TOO_LONG_REASON, is_refusal
from web.api.endpoint import call_sid_in
from web.api.stream import EVENT_STREAM, TurnStream
from web.api.text_turn import answer_of, read_text_turn
from web.ingress import Ingress

CHANNEL = "api"
SUBMIT_SECONDS = 5.0
STILL_RUNNING = "The turn goes on; ask again with the same turn_id."


async def post_turn(ingress: Ingress, request: Request) -> Response:
    """Submit the turn and answer with its reply; 504 when the reply takes longer than the agent may."""
    began = clock.now()
    call_sid = call_sid_in(request)
    text_turn = await read_text_turn(request)
    turn = text_turn.turn(call_sid)
    streams = EVENT_STREAM in request.headers.get("accept", "")
    try:
        within = min(SUBMIT_SECONDS, ingress.timeouts.store)
        pending = await submit_by(
            ingress.runtime.dispatcher, turn, deadline_seconds=within, opening=text_turn.opening, stream=streams
        )
    except CallEnded:
        raise await _why_ended(ingress, call_sid) from None
    recorded, deliveries = pending.result, ingress.deliveries
    if recorded is None:
        deliveries.submitted(call_sid, turn.turn_id, began)

    def on_result(result: TurnResult) -> None:
        if is_refusal(result):
            raise CallFull
        if recorded is None or deliveries.is_awaited(call_sid, turn.turn_id):
            deliveries.answered(CHANNEL, call_sid, turn.turn_id, result.outcome, at_once=True)

    def on_token() -> None:
        deliveries.first_word(CHANNEL, call_sid, turn.turn_id)

    seconds = ingress.settings.agent_timeout_seconds + ingress.timeouts.reply_grace
    if streams:
        return TurnStream(
            pending,
            seconds=seconds,
            timeouts=ingress.timeouts,
            on_token=on_token,
            on_result=on_result,
            still_running=STILL_RUNNING,
        )
    result = recorded or await first_of(pending, seconds)
    if result is None:
        raise HTTPException(504, STILL_RUNNING)
    on_result(result)
    return JSONResponse(answer_of(result))


async def _why_ended(ingress: Ingress, call_sid: str) -> CallEnded:
    """Return the error that says why an ended call takes no more turns."""
    with suppress(StoreUnavailable, UnreadableState):
        state = await ingress.runtime.states.get_state(call_sid)
        if state is not None and state.ended is not None and state.ended.reason == TOO_LONG_REASON:
            return CallFull()
    return CallEnded()
