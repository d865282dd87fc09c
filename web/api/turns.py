"""`POST /calls/{call_sid}/turns`: a turn as text, answered in JSON or as a stream of tokens."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orchestrator import clock
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.errors import CallEnded, CallFull, Overloaded, StoreUnavailable, UnknownCall, UnreadableState
from orchestrator.process_metrics import catalog
from orchestrator.routes.table import IncomingCall
from orchestrator.turns.bounds import TOO_LONG_REASON, is_refusal
from web.agent_choice import has_hook, hooked_choice, without_hook
from web.api.agent_name import check_agent
from web.api.checked_body import read_body_as
from web.api.endpoint import call_sid_in
from web.api.stream import EVENT_STREAM, TurnStream, still_running
from web.api.text_turn import TextTurn, answer_json, answer_of
from web.deliveries import Deliveries
from web.ingress import Ingress
from web.request_headers import header

CHANNEL = "api"
SUBMIT_SECONDS = 5.0


@dataclass(frozen=True)
class _Delivery:
    """Notes what the client gets of a turn's reply. `is_new`: the turn had no reply when it was submitted."""

    deliveries: Deliveries
    call_sid: str
    turn_id: str
    is_new: bool

    def on_token(self) -> None:
        self.deliveries.first_word(CHANNEL, self.call_sid, self.turn_id)

    async def answer(self, result: TurnResult) -> dict[str, Any]:
        self.note(result)
        return answer_of(result)

    def note(self, result: TurnResult) -> None:
        if is_refusal(result):
            raise CallFull
        if self.is_new or self.deliveries.is_awaited(self.call_sid, self.turn_id):
            self.deliveries.answered(
                CHANNEL, self.call_sid, self.turn_id, result.outcome, at_once=True, timings=result.timings
            )


async def post_turn(ingress: Ingress, request: Request) -> Response:
    """Submit the turn and answer with its reply; 504 when the reply takes longer than the agent may."""
    received_at = clock.utc_now()
    call_sid = call_sid_in(request)
    text_turn = await read_body_as(TextTurn, request)
    turn = text_turn.turn(call_sid, received_at)
    if text_turn.sensitive:
        turn = ingress.sensitive_turns.hidden(turn)
    streams = EVENT_STREAM in header(request, b"accept")
    check_agent(ingress, text_turn.agent)
    try:
        pending = await _submit(ingress, turn, text_turn, streams)
    except CallEnded as error:
        raise await why_ended(ingress, call_sid, error) from None
    if pending.was_recorded or ingress.deliveries.is_awaited(call_sid, turn.turn_id):
        catalog.DUPLICATES_ABSORBED.inc(CHANNEL)
    if not pending.was_recorded:
        ingress.deliveries.submitted(call_sid, turn.turn_id, received_at.timestamp())
    delivery = _Delivery(ingress.deliveries, call_sid, turn.turn_id, is_new=not pending.was_recorded)
    if streams:
        return _stream(ingress, pending, delivery)
    result = await pending.wait(reply_seconds(ingress))
    if result is None:
        raise still_running()
    delivery.note(result)
    return Response(answer_json(result), media_type="application/json")


async def _submit(ingress: Ingress, turn: Turn, text_turn: TextTurn, streams: bool) -> PendingReply:
    """Submit the turn, which may begin the call. The hook of a route is asked only if it does.

    Raise `CallDeclined`, or `Overloaded` if the call would begin and new ones are refused.
    """
    submit = partial(
        submit_by, ingress.runtime.dispatcher, turn, stream=streams,
        deadline_seconds=min(SUBMIT_SECONDS, ingress.timeouts.store),
    )  # fmt: skip
    number, agent = text_turn.to_number, text_turn.agent
    choice = without_hook(ingress.routes, number, turn.call_sid, agent=agent)
    if ingress.shedding.is_shedding(choice.tenant):
        with suppress(UnknownCall):
            return await submit()
        if ingress.shedding.refuses(choice.tenant):
            raise Overloaded
    if agent is None and has_hook(ingress, number, turn.call_sid):
        breaker = ingress.runtime.breaker
        with suppress(UnknownCall):
            if breaker is None or not breaker.is_open:  # else a new call may begin in this process
                return await submit()
        call = IncomingCall(turn.call_sid, text_turn.from_number, number, provider=CHANNEL)
        choice = await hooked_choice(ingress, call)
    return await submit(opening={**text_turn.opening, **choice.opening}, admission=choice.admission)


def _stream(ingress: Ingress, pending: PendingReply, delivery: _Delivery) -> TurnStream:
    return TurnStream(
        pending,
        seconds=reply_seconds(ingress),
        timeouts=ingress.timeouts,
        on_token=delivery.on_token,
        answer=delivery.answer,
    )


def reply_seconds(ingress: Ingress) -> float:
    return ingress.settings.agent_timeout_seconds + ingress.timeouts.reply_grace


async def why_ended(ingress: Ingress, call_sid: str, error: CallEnded) -> CallEnded:
    """Return the error that says why an ended call takes no more turns: `error`, unless it was full."""
    with suppress(StoreUnavailable, UnreadableState):
        state = await ingress.runtime.states.get_state(call_sid)
        if state is not None and state.ended is not None and state.ended.reason == TOO_LONG_REASON:
            return CallFull()
    return error
