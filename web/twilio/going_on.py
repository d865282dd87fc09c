"""How a call goes on that was here before: a retry, words that meet a used number, a call that comes back.

A provider asks the fallback URL, which usually is `/voice`, when it got no answer to an earlier webhook, and tells
the `ErrorCode`; a REST redirect, or a flow that gives the call back, asks `/voice` as well. None of them is a
call's beginning.
"""

import logging
from dataclasses import dataclass, replace

from orchestrator import clock
from orchestrator.conversation.actions import HangUp, SendDigits, Transfer
from orchestrator.conversation.reply import TurnResult
from orchestrator.errors import StoreUnavailable, UnreadableState
from web.ingress import Ingress
from web.twilio import twiml
from web.twilio.asked import Asked
from web.twilio.fields import VoiceRequest
from web.twilio.held_turn import HeldTurn
from web.twilio.language import Languages
from web.twilio.standing import Standing, is_fresh, is_same
from web.twilio.turn_ids import number_of, turn_id_of

logger = logging.getLogger(__name__)

_CARRIED_OUT = (HangUp, Transfer, SendDigits)


@dataclass(frozen=True)
class Document:
    """TwiML, and the `result` that it gives. It is `due` to somebody who has waited for it since `since`."""

    xml: str
    result: TurnResult | None = None
    since: float | None = None
    due: bool = False


Step = Asked | Document
"""What to wait for, or what to answer."""


async def come_back(ingress: Ingress, request: VoiceRequest) -> Standing | None:
    """How the call of a first webhook stands that has gone on already; None for one that begins, or is retried.

    A call that rings has heard nothing yet. While the store is away, the call is held as one that begins.
    """
    if request.call_status == "ringing" and not request.error_code:
        return None
    try:
        standing = await Standing.read(ingress, request.call_sid)
    except (StoreUnavailable, UnreadableState):
        return None
    if standing is None or not (standing.has_gone_on or standing.state.ended):
        return None
    extra = {"action": "call.returned", "call_sid": request.call_sid, "error": request.error_code}
    logger.info("A call comes back and goes on", extra=extra)
    return standing


async def step_after(ingress: Ingress, request: VoiceRequest, asked: Asked, recorded: TurnResult) -> Step:
    """What to do about a turn that was answered before: its reply again, if it is a retry of it.

    New words at a used number are a turn of their own. Raises `StoreUnavailable`.
    """
    try:
        standing = await Standing.read(ingress, asked.call_sid)
    except UnreadableState:
        return _again(asked, recorded, due=bool(asked.attempt))
    if standing is None:  # it has expired, but for the results of its turns
        return Document(twiml.farewell(twiml.GOODBYE, asked.languages))
    if standing.repeats(asked):
        return _again(asked, recorded, due=_is_awaited(asked, standing))
    turn = asked.held.turn if asked.held is not None else None
    record = standing.state.record_of(asked.turn_id)
    if turn is None or not turn.has_words or record is None or is_same(turn, record) or standing.state.ended:
        return step_on(request, standing, asked.languages)
    if (running := standing.running) is not None:  # most likely another copy of these words
        return _wait_for(running, request, asked.languages)
    number = standing.next_number
    last = standing.state.record_of(turn_id_of(number - 1))
    if last is not None and number - 1 != asked.number and is_same(turn, last):
        number -= 1  # these words have come here before
    logger.warning(
        "New words came under the number of an answered turn; they are taken as the next one",
        extra={"action": "turn.renumbered", "call_sid": asked.call_sid, "turn_id": turn_id_of(number)},
    )
    moved = turn.model_copy(update={"turn_id": turn_id_of(number)})
    return replace(asked, turn_id=moved.turn_id, number=number, held=HeldTurn(turn=moved, since=asked.since))


def step_on(request: VoiceRequest, standing: Standing, languages: Languages) -> Step:
    """Go on from the state, at the next unused number.

    With an `ErrorCode` the last reply may not have been heard, and is given whole; else only what can be said twice.
    """
    if standing.state.ended is not None:
        return Document(twiml.farewell(twiml.GOODBYE, standing.languages_before(None, languages)))
    if (running := standing.running) is not None:
        return _wait_for(running, request, standing.languages_before(None, languages))
    record, number = standing.last_said, standing.next_number
    was_lost = bool(request.error_code)
    if record is None or not is_fresh(record) or (standing.left_for_a_person and not was_lost):
        languages = standing.languages_before(None, languages)
        return Document(twiml.ask(twiml.BACK, next_turn=number, languages=languages))
    result = record.result(request.call_sid)
    if not was_lost:
        actions = [action for action in result.reply.actions if not isinstance(action, _CARRIED_OUT)]
        result = result.model_copy(update={"reply": result.reply.model_copy(update={"actions": actions})})
    return Document(
        twiml.reply(result, next_turn=number, languages=standing.languages_before(record, languages)), result
    )


def _again(asked: Asked, recorded: TurnResult, *, due: bool) -> Document:
    xml = twiml.reply(recorded, next_turn=asked.number + 1, languages=asked.languages)
    return Document(xml, recorded, asked.since, due)


def _is_awaited(asked: Asked, standing: Standing) -> bool:
    """Whether this is who was held until the reply came, and not a retry."""
    if not asked.attempt:
        return False
    record = standing.state.record_of(asked.turn_id)
    return record is None or asked.held is None or asked.held.turn.received_at == record.received_at


def _wait_for(turn_id: str, request: VoiceRequest, languages: Languages) -> Asked:
    number = number_of(turn_id)
    assert number is not None
    return Asked(request.call_sid, turn_id, number, languages, held=None, since=clock.now())
