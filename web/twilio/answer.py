"""From a turn to its TwiML: hand it over, wait a moment, hold the caller when that is not enough."""

import asyncio
import logging
import time

from starlette.responses import Response

from orchestrator import clock
from orchestrator.conversation.reply import TurnResult
from orchestrator.dispatch.dispatcher import PendingReply, first_of
from orchestrator.errors import (
    CallEnded,
    CallErased,
    CallRefused,
    StoreFull,
    StoreUnavailable,
    TurnRejected,
    UnknownCall,
)
from web.call_log import log_hold_timed_out, log_restarted
from web.deliveries import UNANSWERED
from web.ingress import Ingress
from web.store_call import store_call
from web.twilio import twiml
from web.twilio.asked import Asked
from web.twilio.fields import MAX_TURN_NUMBER, VoiceRequest
from web.twilio.going_on import Document, step_after
from web.twilio.held_turn import HeldTurn

logger = logging.getLogger(__name__)

CHANNEL = "gather"


class TwimlResponse(Response):
    """TwiML: `text/xml` to the provider, never `text/plain`, which it would read aloud."""

    media_type = "text/xml"


async def answer(ingress: Ingress, request: VoiceRequest, asked: Asked, *, within: float) -> Response:
    """The TwiML for a turn: its reply if it comes `within` so many seconds, else a filler and a redirect."""
    if asked.number >= MAX_TURN_NUMBER:  # after this one, there is no number left to go on with
        return TwimlResponse(twiml.farewell(twiml.GOODBYE, asked.languages))
    deadline = time.monotonic() + within
    try:
        try:
            pending = await _pending(ingress, asked, within)
        except UnknownCall:
            # Restarted memory, or a TTL that ran out. The greeting is recorded under this turn's own id, so
            # that a retry of the webhook finds it instead of running the lost words in the new call.
            asked = _afresh(request, asked)
            pending = await _pending(ingress, asked, max(deadline - time.monotonic(), 0.5))
    except StoreFull as error:
        return _full(ingress, asked, error)
    except StoreUnavailable as error:
        return _hold(ingress, asked, error, limit=ingress.timeouts.hold)
    except (UnknownCall, CallEnded):
        return TwimlResponse(twiml.farewell(twiml.GOODBYE, asked.languages))
    except CallRefused:
        return _refuse(asked)
    except TurnRejected:
        return _ask_again(asked)
    if pending is None:
        return _ask_again(asked)
    if pending.result is not None:  # answered before
        return await _answered(ingress, request, asked, pending.result, deadline)
    ingress.deliveries.submitted(asked.call_sid, asked.turn_id, asked.since)
    return await _reply(ingress, asked, pending, deadline)


async def _answered(
    ingress: Ingress, request: VoiceRequest, asked: Asked, recorded: TurnResult, deadline: float
) -> Response:
    try:
        step = await step_after(ingress, request, asked, recorded)
    except StoreUnavailable as error:
        return _hold(ingress, asked, error, limit=ingress.timeouts.hold)
    if isinstance(step, Document):
        return deliver(ingress, asked.call_sid, step)
    return await answer(ingress, request, step, within=max(deadline - time.monotonic(), 0.5))


async def _pending(ingress: Ingress, asked: Asked, within: float) -> PendingReply | None:
    """Submit the turn, or find it where the store has it already. Raise `StoreUnavailable`."""
    dispatcher = ingress.runtime.dispatcher
    if asked.held is None:
        access = _found(ingress, asked, within)
    else:
        access = dispatcher.submit_by(asked.held.turn, deadline_seconds=within, opening=asked.held.opening)
    return await store_call(access, within + 0.5)


async def _found(ingress: Ingress, asked: Asked, within: float) -> PendingReply | None:
    deadline = time.monotonic() + within
    dispatcher = ingress.runtime.dispatcher
    while True:
        try:
            found = await dispatcher.find(asked.call_sid, asked.turn_id)
            if found is None and await dispatcher.is_erased(asked.call_sid):
                raise CallErased
            return found
        except StoreUnavailable:
            if time.monotonic() >= deadline:
                raise
        await asyncio.sleep(min(0.2, within))


async def _reply(ingress: Ingress, asked: Asked, pending: PendingReply, deadline: float) -> Response:
    result = await first_of(pending, max(deadline - time.monotonic(), 0.05))
    if result is None:
        return _fill(ingress, asked)
    _count(ingress, asked.call_sid, asked.turn_id, result.outcome, asked.since)
    xml = twiml.reply(result, next_turn=asked.number + 1, languages=asked.languages)
    return TwimlResponse(xml)


def _afresh(request: VoiceRequest, asked: Asked) -> Asked:
    log_restarted(asked.call_sid, asked.turn_id)
    held = HeldTurn(turn=request.started(asked.turn_id), opening=request.opening, since=asked.since)
    return Asked(asked.call_sid, asked.turn_id, asked.number, asked.languages, held, asked.since, asked.attempt)


def _fill(ingress: Ingress, asked: Asked) -> Response:
    """The store has the turn; the agent takes its time. The turn travels along all the same: a store that is restarted,
    or fails over, may have lost what it took last, and handing a turn over again costs nothing."""
    if _waited(asked) > ingress.reply_seconds:
        return _surrender(ingress, asked, "No worker answered the turn")
    sealed = asked.held.sealed(ingress.seal) if asked.held is not None else None
    return _redirect(asked, held=sealed) if sealed else _redirect(asked, since=f"{asked.since:.3f}")


def _hold(ingress: Ingress, asked: Asked, error: StoreUnavailable, *, limit: float) -> Response:
    """The store does not take the turn: it travels with the caller until it does."""
    if _waited(asked) > limit:
        return _surrender(ingress, asked, str(error))
    if asked.held is None:
        return _redirect(asked, since=f"{asked.since:.3f}")
    sealed = asked.held.sealed(ingress.seal)
    return _ask_again(asked) if sealed is None else _redirect(asked, held=sealed)


def hold_sealed(ingress: Ingress, asked: Asked, sealed: str, error: StoreUnavailable) -> Response:
    """Hold the caller with the turn in `sealed`, which this process cannot open as long as the store is away."""
    if _waited(asked) > ingress.timeouts.hold:
        return _surrender(ingress, asked, str(error))
    return _redirect(asked, held=sealed, since=f"{asked.since:.3f}")


def _full(ingress: Ingress, asked: Asked, error: StoreFull) -> Response:
    if asked.begins_call:
        return _refuse(asked)
    return _hold(ingress, asked, error, limit=ingress.timeouts.hold_full)


def _redirect(asked: Asked, **query: str) -> Response:
    path = asked.languages.wait_path(asked.number, attempt=asked.attempt + 1, **query)
    return TwimlResponse(twiml.filler(asked.attempt, then=path, languages=asked.languages))


def _ask_again(asked: Asked) -> Response:
    return TwimlResponse(twiml.ask_again(next_turn=asked.number + 1, languages=asked.languages))


def _refuse(asked: Asked) -> Response:
    logger.warning("A call was refused", extra={"action": "call.refused", "call_sid": asked.call_sid})
    return TwimlResponse(twiml.farewell(twiml.BUSY, asked.languages))


def _surrender(ingress: Ingress, asked: Asked, why: str) -> Response:
    log_hold_timed_out(why, call_sid=asked.call_sid, turn_id=asked.turn_id)
    _count(ingress, asked.call_sid, asked.turn_id, UNANSWERED, asked.since)
    return TwimlResponse(twiml.surrender(ingress.settings.transfer_to, asked.languages))


def _waited(asked: Asked) -> float:
    return clock.now() - asked.since


def deliver(ingress: Ingress, call_sid: str, document: Document) -> Response:
    """Answer with the document; a reply that is given for the first time is counted."""
    result = document.result
    if result is not None and (document.due or ingress.deliveries.is_awaited(call_sid, result.turn_id)):
        _count(ingress, call_sid, result.turn_id, result.outcome, document.since)
    return TwimlResponse(document.xml)


def _count(ingress: Ingress, call_sid: str, turn_id: str, outcome: str, since: float | None) -> None:
    ingress.deliveries.answered(CHANNEL, call_sid, turn_id, outcome, since=since, at_once=outcome != UNANSWERED)
