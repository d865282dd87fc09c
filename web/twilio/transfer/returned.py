"""The action of `<Dial>` and `<Record>`: the caller is back, and what follows depends on what has become of it."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from starlette.responses import Response
from twilio.twiml.voice_response import VoiceResponse

from orchestrator import clock
from orchestrator.conversation.absence import leaving_of
from orchestrator.conversation.actions import HangUp, Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.errors import StoreUnavailable, UnreadableState, VoiceAgentError
from orchestrator.process_metrics import catalog
from orchestrator.retrying import until_deadline
from orchestrator.turns.unheard import unheard
from web.call_log import log_hold_timed_out
from web.ingress import Ingress
from web.store_call import store_call
from web.twilio import twiml
from web.twilio.known_call import READ_SECONDS
from web.twilio.language import Languages
from web.twilio.transfer.leaving import Exit, add_dial
from web.twilio.transfer.outcome import Outcome, outcome_of, recorded_turn, turn_of, with_result, with_rung
from web.twilio.transfer.way_back import WayBack
from web.twilio.twiml_response import TwimlResponse
from web.twilio.voice_request import VoiceRequest

logger = logging.getLogger(__name__)

T = TypeVar("T")
Answer = Callable[[Turn], Awaitable[Response]]
NOTE_SECONDS = 1.0


@dataclass(frozen=True)
class Return:
    """A caller who is back: their next turn has the id `turn_id`, and `answer` returns the answer to it.

    `path` returns the path of this return, with a query.
    """

    turn_id: str
    path: Callable[..., str]
    languages: Languages
    answer: Answer


async def caller_returned(ingress: Ingress, request: VoiceRequest, way: WayBack, back: Return) -> Response:
    """Answer with the agent's reply, with the next person to ring, or with the end of the call."""
    if way.leave == "record":
        return await back.answer(recorded_turn(request, back.turn_id))
    way = await with_rung(ingress, request.call_sid, with_result(way, request))
    since = way.since or clock.now()
    within = min(ingress.timeouts.filler_after, ingress.timeouts.store)
    try:
        outcome = await _within(within, lambda: outcome_of(ingress, request.call_sid, way))
        following = None
        if not outcome.has_talked and way.has_more:
            following = await _within(within, lambda: _transfer(ingress, request.call_sid, way))
    except StoreUnavailable as error:
        return _hold(ingress, request, way.held(since), back, str(error))
    _log(request, way, outcome)
    if following is not None:
        return TwimlResponse(_next_dial(following, request, way, back))
    turn = turn_of(ingress, way, outcome, request.call_sid, back.turn_id)
    if way.returns if outcome.has_talked else way.fails_back:
        return await back.answer(turn)
    last = await _last_reply(ingress, turn)
    if last is None:
        await _note_end(ingress, turn)
        return TwimlResponse(twiml.hang_up())
    return await back.answer(turn.model_copy(update={"given_reply": last}))


async def _last_reply(ingress: Ingress, turn: Turn) -> Reply | None:
    """Return the reply that follows what a caller is still to hear whom we are about to hang up on.

    None if there is nothing to hear, or if that cannot be read now.
    """
    with suppress(StoreUnavailable, UnreadableState):
        state = await store_call(ingress.runtime.states.get_state(turn.call_sid), READ_SECONDS)
        record = state.record_of(turn.turn_id) if state is not None else None
        if state is not None and (
            unheard(state) or (record is not None and (record.reply.actions or record.preceding))
        ):
            goes_on = any(reply.leaves for reply in unheard(state))
            return Reply() if goes_on else Reply(actions=[HangUp(reason="transferred")])
    return None


async def _note_end(ingress: Ingress, turn: Turn) -> None:
    """Have the call's record say what became of its last transfer. Nobody waits for that while the store is down."""
    noted = turn.model_copy(update={"given_reply": Reply()})
    with suppress(VoiceAgentError):
        submit = submit_by(ingress.runtime.dispatcher, noted, deadline_seconds=NOTE_SECONDS)
        await store_call(submit, NOTE_SECONDS)


async def _within(seconds: float, read: Callable[[], Awaitable[T]]) -> T:
    return await store_call(until_deadline(read, seconds), seconds + READ_SECONDS)


async def _transfer(ingress: Ingress, call_sid: str, way: WayBack) -> Transfer | None:
    """Return the transfer, with whoever else is to be rung; None if nobody knows it any more."""
    try:
        state = await ingress.runtime.states.get_state(call_sid)
    except UnreadableState:
        return None
    record = state.record_of(way.by) if state is not None and state.ended is None else None
    found = leaving_of(ingress.sensitive_turns.spoken_record(record, call_sid)) if record is not None else None
    is_it = isinstance(found, Transfer) and way.target + 1 < len(found.targets)
    return found if isinstance(found, Transfer) and is_it else None


def _next_dial(transfer: Transfer, request: VoiceRequest, way: WayBack, back: Return) -> str:
    response = VoiceResponse()
    exit_ = Exit(request.call_sid, way.by, back.path, back.languages)
    add_dial(response, transfer, exit_, target=way.target + 1)
    return str(response.to_xml())


def _hold(ingress: Ingress, request: VoiceRequest, way: WayBack, back: Return, why: str) -> Response:
    """Answer with a filler, and keep in the redirect URL what the provider has said."""
    if clock.now() - way.since > ingress.timeouts.hold:
        log_hold_timed_out(why, call_sid=request.call_sid, turn_id=back.turn_id)
        return TwimlResponse(twiml.apology(ingress.settings.transfer_to, back.languages))
    catalog.count_filler("gather", "redis", way.attempt - 1)
    return TwimlResponse(twiml.filler(way.attempt - 1, then=back.path(**way.query), languages=back.languages))


def _log(request: VoiceRequest, way: WayBack, outcome: Outcome) -> None:
    logger.info(
        "A transfer is over: %s after %d s",
        outcome.status,
        outcome.seconds,
        extra={"action": "transfer.over", "call_sid": request.call_sid, "turn_id": way.by, "status": outcome.status},
    )
