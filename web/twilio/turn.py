"""`POST /twilio/turn/{n}`: the action of a `<Gather>`, and over webhooks of a `<Dial>` or `<Record>`.

(CallSid, n) is the idempotency key.
"""

from functools import partial

from starlette.responses import Response

from orchestrator import clock
from orchestrator.conversation.turn import Turn
from web.ingress import Ingress
from web.twilio.answer import answer
from web.twilio.awaited_turn import AwaitedTurn
from web.twilio.held_turn import HeldTurn
from web.twilio.transfer.returned import Return, caller_returned
from web.twilio.transfer.way_back import WayBack, way_back_of
from web.twilio.turn_ids import turn_id_of
from web.twilio.voice_request import VoiceRequest


async def turn(ingress: Ingress, request: VoiceRequest) -> Response:
    """Answer the caller's words, keys or silence."""
    number = request.turn_number(at_least=1)
    if (way := way_back_of(request.query)) is not None:
        return await _returned(ingress, request, number, way)
    return await _answer(ingress, request, number, request.turn(turn_id_of(number)))


async def _returned(ingress: Ingress, request: VoiceRequest, number: int, way: WayBack) -> Response:
    """Answer a caller who is back from a person, or has left a message."""
    languages = request.languages(ingress.voices)
    back = Return(
        turn_id_of(number),
        partial(languages.turn_path, number),
        languages,
        answer=partial(_answer, ingress, request, number),
    )
    return await caller_returned(ingress, request, way, back)


async def _answer(ingress: Ingress, request: VoiceRequest, number: int, turn: Turn) -> Response:
    since, languages = clock.now(), request.languages(ingress.voices)
    if languages.sensitive and turn.has_words:
        turn = ingress.sensitive_turns.hidden(turn)
    held = HeldTurn(turn=turn, since=since)
    awaited = AwaitedTurn(request.call_sid, turn.turn_id, number, languages, held, since)
    return await answer(ingress, request, awaited, within=ingress.timeouts.filler_after)
