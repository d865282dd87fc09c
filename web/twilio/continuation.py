"""How a known call continues: a retried webhook, new words under a used number, a call that returns to `/voice`.

A provider requests the fallback URL, which usually is `/voice`, when it got no answer to an earlier webhook, and sends
an `ErrorCode`. A REST redirect, or a flow that returns the call, requests `/voice` as well. In none of these cases does
the call begin.
"""

import logging
from dataclasses import dataclass, replace

from orchestrator import clock
from orchestrator.conversation.actions import LEAVING_ACTIONS, HangUp, SendDigits
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.state import TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable, UnreadableState
from orchestrator.turns.unheard import unheard
from web.ingress import Ingress
from web.twilio import twiml
from web.twilio.awaited_turn import AwaitedTurn
from web.twilio.held_turn import HeldTurn
from web.twilio.known_call import KnownCall, is_fresh
from web.twilio.language import Languages
from web.twilio.preceding import joined
from web.twilio.turn_ids import number_of, turn_id_of
from web.twilio.voice_request import VoiceRequest

logger = logging.getLogger(__name__)

_CARRIED_OUT = (*LEAVING_ACTIONS, SendDigits)


@dataclass(frozen=True)
class TwimlAnswer:
    """TwiML, and the `result` whose reply it holds. `due`: the caller has waited for that reply since `since`."""

    xml: str
    result: TurnResult | None = None
    since: float | None = None
    due: bool = False


Step = AwaitedTurn | TwimlAnswer
"""The turn whose reply to wait for, or the answer itself."""


async def known_before(ingress: Ingress, request: VoiceRequest) -> KnownCall | None:
    """Return what is known of a call that requests `/voice`; None for one that begins.

    A call that rings has heard nothing yet. While the store is down, a call is held like one that begins.
    """
    if request.call_status == "ringing" and not request.error_code:
        return None
    try:
        return await KnownCall.read(ingress, request.call_sid)
    except (StoreUnavailable, UnreadableState):
        return None


def is_to_continue(request: VoiceRequest, known: KnownCall) -> bool:
    """True if the call requests `/voice` after its beginning; False if its first webhook is retried."""
    if not (known.has_progressed or known.state.ended):
        return False
    extra = {"action": "call.returned", "call_sid": request.call_sid, "error": request.error_code}
    logger.info("A call has returned; it continues from its state", extra=extra)
    return True


async def step_after_recorded(
    ingress: Ingress, request: VoiceRequest, awaited: AwaitedTurn, recorded: TurnResult
) -> Step:
    """Return what to do about a turn that has a reply: give the reply again, if the webhook is a retry.

    New words under a used number are another turn. Raise `StoreUnavailable`.
    """
    try:
        known = await KnownCall.read(ingress, awaited.call_sid)
    except UnreadableState:
        return _again(awaited, recorded, due=bool(awaited.attempt))
    if known is None:  # the state has expired, the results of its turns have not
        return TwimlAnswer(twiml.farewell(twiml.GOODBYE, awaited.languages))
    if known.may_repeat(awaited):
        return _again(awaited, recorded, due=_is_awaited(awaited, known))
    turn = awaited.held.turn if awaited.held is not None else None
    record = known.state.record_of(awaited.turn_id)
    if turn is None or not turn.has_words or record is None or known.is_same(turn, record) or known.state.ended:
        return step_from_state(request, known, awaited.languages)
    if (running := known.running_turn_id) is not None:  # most likely a copy of these words
        return _wait_for(running, request, awaited.languages)
    number = known.next_number
    last = known.state.record_of(turn_id_of(number - 1))
    if last is not None and number - 1 != awaited.number and known.is_same(turn, last):
        number -= 1  # these words came under that number before
    logger.warning(
        "New words came under the number of an answered turn; they are taken as the next one",
        extra={"action": "turn.renumbered", "call_sid": awaited.call_sid, "turn_id": turn_id_of(number)},
    )
    moved = turn.model_copy(update={"turn_id": turn_id_of(number)})
    return replace(awaited, turn_id=moved.turn_id, number=number, held=HeldTurn(turn=moved, since=awaited.since))


def step_from_state(request: VoiceRequest, known: KnownCall, languages: Languages) -> Step:
    """Continue the call from its state, at the next unused number.

    If the last reply may be lost (`VoiceRequest.is_lost`), the caller gets all of it; else what can be repeated. What
    is unheard goes before it.
    """
    if known.state.ended is not None:
        return last_words(known, languages)
    now = known.languages_before(None, languages)
    if (running := known.running_turn_id) is not None:
        return _wait_for(running, request, now)
    record, number = known.last_reply, known.next_number
    is_again = record is not None and is_fresh(record) and (request.is_lost or not known.has_left)
    if unheard(known.state):
        lost = record if request.is_lost and is_again else None
        return _continued(known, number, now, lost)
    if record is None or not is_again:
        return TwimlAnswer(twiml.ask(twiml.BACK, next_turn=number, languages=now))
    result = known.sensitive_turns.whole(record.result(request.call_sid))
    if not request.is_lost:
        result = _without(_CARRIED_OUT, result)
    return TwimlAnswer(
        twiml.reply(result, next_turn=number, languages=known.languages_before(record, languages)), result
    )


def last_words(known: KnownCall, languages: Languages) -> TwimlAnswer:
    """Return what a caller hears whose call is over already: what was said to them meanwhile, else a farewell."""
    replies = [] if known.is_long_over else unheard(known.state)
    languages = known.languages_before(None, languages)
    if not replies:
        return TwimlAnswer(twiml.farewell(twiml.GOODBYE, languages))
    said = TurnResult(call_sid=known.state.call_sid, turn_id="", outcome="replied", preceding=replies)
    said = known.sensitive_turns.whole(said)
    ending = _without(LEAVING_ACTIONS, said).model_copy(update={"reply": Reply(actions=[HangUp()])})
    return TwimlAnswer(twiml.reply(ending, next_turn=known.next_number, languages=languages))


def _without(actions: tuple[type, ...], result: TurnResult) -> TurnResult:
    """Return the result without the actions of these types."""

    def rest(reply: Reply) -> Reply:
        return reply.model_copy(update={"actions": [it for it in reply.actions if not isinstance(it, actions)]})

    return result.model_copy(update={"reply": rest(result.reply), "preceding": list(map(rest, result.preceding))})


def _continued(known: KnownCall, number: int, languages: Languages, lost: TurnRecord | None) -> AwaitedTurn:
    """Return the next turn, in which the caller does nothing, and hears what is unheard; then the reply of `lost`."""
    call_sid = known.state.call_sid
    again = _given_again(known, lost) if lost is not None else Reply()
    turn = Turn(turn_id=turn_id_of(number), call_sid=call_sid, kind="silence", given_reply=again)
    since = clock.now()
    return AwaitedTurn(call_sid, turn.turn_id, number, languages, HeldTurn(turn=turn, since=since), since)


def _given_again(known: KnownCall, lost: TurnRecord) -> Reply:
    call_sid = known.state.call_sid
    kept, whole = lost, known.sensitive_turns.spoken_record(lost, call_sid)
    replies = (joined([*record.preceding, record.reply]) for record in (kept, whole))
    return known.sensitive_turns.given_again(call_sid, *replies)


def _again(awaited: AwaitedTurn, recorded: TurnResult, *, due: bool) -> TwimlAnswer:
    xml = twiml.reply(recorded, next_turn=awaited.number + 1, languages=awaited.languages_after)
    return TwimlAnswer(xml, recorded, awaited.since, due)


def _is_awaited(awaited: AwaitedTurn, known: KnownCall) -> bool:
    """True if the caller was held until the reply came; False for a retry."""
    if not awaited.attempt:
        return False
    record = known.state.record_of(awaited.turn_id)
    return record is None or awaited.held is None or awaited.held.turn.received_at == record.received_at


def _wait_for(turn_id: str, request: VoiceRequest, languages: Languages) -> AwaitedTurn:
    number = number_of(turn_id)
    assert number is not None
    return AwaitedTurn(request.call_sid, turn_id, number, languages, held=None, since=clock.now())
