"""From a turn to its TwiML: submit it, wait a moment, and hold the caller with fillers when that is not enough."""

import logging
import time
from contextlib import suppress
from dataclasses import replace

from starlette.responses import Response

from orchestrator.conversation.reply import TurnResult
from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.errors import (
    CallEnded,
    CallErased,
    CallerLimited,
    CallRefused,
    StoreFull,
    StoreUnavailable,
    TurnRejected,
    UnknownCall,
    UnreadableState,
    VoiceAgentError,
)
from orchestrator.process_metrics import catalog
from orchestrator.retrying import until_deadline
from web.agent_choice import without_hook
from web.call_log import log_hold_timed_out, log_restarted
from web.deliveries import UNANSWERED
from web.ingress import Ingress
from web.notices import note_if_repeated, note_repeated
from web.store_call import store_call
from web.twilio import twiml
from web.twilio.awaited_turn import AwaitedTurn
from web.twilio.continuation import TwimlAnswer, last_words, step_after_recorded
from web.twilio.held_turn import HeldTurn
from web.twilio.known_call import KnownCall
from web.twilio.twiml_response import TwimlResponse
from web.twilio.voice_request import MAX_TURN_NUMBER, VoiceRequest

logger = logging.getLogger(__name__)

CHANNEL = "gather"


async def answer(ingress: Ingress, request: VoiceRequest, awaited: AwaitedTurn, *, within: float) -> Response:
    """Return the TwiML for a turn: its reply if that comes `within` seconds, else a filler and a redirect."""
    if awaited.number >= MAX_TURN_NUMBER:  # the last number: no turn can follow it
        return TwimlResponse(twiml.farewell(twiml.GOODBYE, awaited.languages))
    deadline = time.monotonic() + within
    try:
        try:
            pending = await _submit_or_find(ingress, awaited, within)
        except UnknownCall:
            # Memory was restarted, or a TTL ran out. The greeting is recorded under this turn's own id, so that a
            # retry of the webhook gets it and does not run the lost words in the new call.
            awaited = _restart_call(ingress, request, awaited)
            pending = await _submit_or_find(ingress, awaited, max(deadline - time.monotonic(), 0.5))
    except CallEnded:
        return await _last_words(ingress, awaited)
    except VoiceAgentError as error:
        return _answer_to_error(ingress, awaited, error)
    if pending is None:
        return _ask_again(awaited)
    if pending.was_recorded and pending.result is not None:  # answered before
        return await _answer_recorded(ingress, request, awaited, pending.result, deadline)
    if not awaited.attempt and ingress.deliveries.is_awaited(awaited.call_sid, awaited.turn_id):
        catalog.DUPLICATES_ABSORBED.inc(CHANNEL)
    ingress.deliveries.submitted(awaited.call_sid, awaited.turn_id, awaited.since)
    return await _wait_for_reply(ingress, awaited, pending, deadline)


def _answer_to_error(ingress: Ingress, awaited: AwaitedTurn, error: VoiceAgentError) -> Response:
    match error:
        case StoreFull() if awaited.begins_call:
            return _refuse(awaited)
        case StoreFull():
            return _hold(ingress, awaited, error, limit=ingress.timeouts.hold_full)
        case StoreUnavailable():
            return _hold(ingress, awaited, error, limit=ingress.timeouts.hold)
        case UnknownCall():
            return TwimlResponse(twiml.farewell(twiml.GOODBYE, awaited.languages))
        case CallRefused():
            return _refuse(awaited, error)
        case TurnRejected():
            return _ask_again(awaited)
    raise error


async def _last_words(ingress: Ingress, awaited: AwaitedTurn) -> Response:
    """Answer for a call that is over: its agent may have ended it while nobody asked what it says."""
    known = None
    with suppress(StoreUnavailable, UnreadableState):
        known = await KnownCall.read(ingress, awaited.call_sid)
    if known is None or known.is_long_over:
        return TwimlResponse(twiml.farewell(twiml.GOODBYE, awaited.languages))
    return TwimlResponse(last_words(known, awaited.languages).xml)


async def _answer_recorded(
    ingress: Ingress, request: VoiceRequest, awaited: AwaitedTurn, recorded: TurnResult, deadline: float
) -> Response:
    try:
        step = await step_after_recorded(ingress, request, awaited, recorded)
    except StoreUnavailable as error:
        return _hold(ingress, awaited, error, limit=ingress.timeouts.hold)
    if isinstance(step, TwimlAnswer):
        if step.result is recorded and not awaited.attempt:
            catalog.DUPLICATES_ABSORBED.inc(CHANNEL)
            note_repeated(ingress, awaited.call_sid, recorded.turn_id)
        return deliver(ingress, awaited.call_sid, step)
    return await answer(ingress, request, step, within=max(deadline - time.monotonic(), 0.5))


async def _submit_or_find(ingress: Ingress, awaited: AwaitedTurn, within: float) -> PendingReply | None:
    """Submit the turn, or find it where the store has it already. Raise `StoreUnavailable`."""
    within = min(within, ingress.timeouts.store)
    dispatcher = ingress.runtime.dispatcher
    if awaited.held is None:
        access = _find(ingress, awaited, within)
    else:
        held = awaited.held
        access = submit_by(
            dispatcher, held.turn, deadline_seconds=within, opening=held.opening, admission=held.admission
        )
    return await store_call(access, within + 0.5)


async def _find(ingress: Ingress, awaited: AwaitedTurn, within: float) -> PendingReply | None:
    dispatcher = ingress.runtime.dispatcher

    async def find() -> PendingReply | None:
        found = await dispatcher.find(awaited.call_sid, awaited.turn_id)
        if found is None and await dispatcher.is_erased(awaited.call_sid):
            raise CallErased
        return found

    return await until_deadline(find, within)


async def _wait_for_reply(ingress: Ingress, awaited: AwaitedTurn, pending: PendingReply, deadline: float) -> Response:
    result = await pending.wait(max(deadline - time.monotonic(), 0.05))
    if result is None:
        return _filler(ingress, awaited)
    _count_answered(ingress, awaited.call_sid, result, awaited.since)
    if not awaited.attempt:
        note_if_repeated(ingress, awaited.call_sid, result, awaited.since)
    xml = twiml.reply(result, next_turn=awaited.number + 1, languages=awaited.languages_after)
    return TwimlResponse(xml)


def _restart_call(ingress: Ingress, request: VoiceRequest, awaited: AwaitedTurn) -> AwaitedTurn:
    """Begin the call again, with the agent that had it."""
    log_restarted(awaited.call_sid, awaited.turn_id)
    choice = without_hook(
        ingress.routes, request.our_number, request.call_sid,
        agent=awaited.languages.agent or None, is_placed=request.is_placed,
    )  # fmt: skip
    held = HeldTurn(
        turn=request.started(awaited.turn_id),
        opening={**request.opening, **choice.opening},
        admission=choice.admission,
        since=awaited.since,
    )
    languages = replace(awaited.languages.of_agent(choice.agent), sensitive=False)
    return replace(awaited, held=held, languages=languages)


def _filler(ingress: Ingress, awaited: AwaitedTurn) -> Response:
    """Answer with a filler: the turn is stored, but has no reply yet.

    The redirect URL carries the sealed turn all the same: a store that is restarted or fails over may have lost what it
    took last, and submitting a turn twice is safe.
    """
    if awaited.seconds_waited > ingress.reply_seconds:
        return _apologise(ingress, awaited, "No worker answered the turn")
    sealed = awaited.held.sealed(ingress.seal) if awaited.held is not None else None
    if sealed is None:
        return _filler_and_redirect(awaited, "agent", since=f"{awaited.since:.3f}")
    return _filler_and_redirect(awaited, "agent", held=sealed)


def _hold(ingress: Ingress, awaited: AwaitedTurn, error: StoreUnavailable, *, limit: float) -> Response:
    """Answer with a filler, and keep the turn in the redirect URL until the store takes it."""
    if awaited.seconds_waited > limit:
        return _apologise(ingress, awaited, str(error))
    if awaited.held is None:
        return _filler_and_redirect(awaited, "redis", since=f"{awaited.since:.3f}")
    sealed = awaited.held.sealed(ingress.seal)
    return _ask_again(awaited) if sealed is None else _filler_and_redirect(awaited, "redis", held=sealed)


def hold_sealed(ingress: Ingress, awaited: AwaitedTurn, sealed: str, error: StoreUnavailable) -> Response:
    """Answer with a filler, and keep `sealed` in the redirect URL: it cannot be opened while the store is down."""
    if awaited.seconds_waited > ingress.timeouts.hold:
        return _apologise(ingress, awaited, str(error))
    return _filler_and_redirect(awaited, "redis", held=sealed, since=f"{awaited.since:.3f}")


def _filler_and_redirect(awaited: AwaitedTurn, reason: str, **query: str) -> Response:
    catalog.count_filler(CHANNEL, reason, awaited.attempt)
    path = awaited.languages.wait_path(awaited.number, attempt=awaited.attempt + 1, **query)
    return TwimlResponse(twiml.filler(awaited.attempt, then=path, languages=awaited.languages))


def _ask_again(awaited: AwaitedTurn) -> Response:
    return TwimlResponse(twiml.ask_again(next_turn=awaited.number + 1, languages=awaited.languages))


def _refuse(awaited: AwaitedTurn, error: CallRefused | None = None) -> Response:
    """Refuse a call that begins; without an `error`, because the store is full."""
    catalog.CALLS_REFUSED.inc("limit" if error is None else error.reason)
    extra = {"action": "call.refused", "call_sid": awaited.call_sid}
    logger.warning("A call was refused: %s", error or "the store is full", extra=extra)
    if isinstance(error, CallerLimited) and not awaited.attempt:
        return TwimlResponse(twiml.reject())
    return TwimlResponse(twiml.farewell(twiml.BUSY, awaited.languages))


def _apologise(ingress: Ingress, awaited: AwaitedTurn, why: str) -> Response:
    log_hold_timed_out(why, call_sid=awaited.call_sid, turn_id=awaited.turn_id)
    ingress.deliveries.answered(CHANNEL, awaited.call_sid, awaited.turn_id, UNANSWERED, since=awaited.since)
    return TwimlResponse(twiml.apology(ingress.settings.transfer_to, awaited.languages))


def deliver(ingress: Ingress, call_sid: str, twiml_answer: TwimlAnswer) -> Response:
    """Return the answer as a response, and count its reply if the caller gets it for the first time."""
    result = twiml_answer.result
    if result is not None and (twiml_answer.due or ingress.deliveries.is_awaited(call_sid, result.turn_id)):
        _count_answered(ingress, call_sid, result, twiml_answer.since)
    return TwimlResponse(twiml_answer.xml)


def _count_answered(ingress: Ingress, call_sid: str, result: TurnResult, since: float | None) -> None:
    ingress.deliveries.answered(
        CHANNEL, call_sid, result.turn_id, result.outcome, since=since, at_once=True, timings=result.timings
    )
