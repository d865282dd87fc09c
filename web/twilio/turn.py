"""`POST /twilio/turn/{n}`: the action of a `<Gather>`. (CallSid, n) is the idempotency key."""

from starlette.responses import Response

from orchestrator import clock
from web.ingress import Ingress
from web.twilio.answer import answer
from web.twilio.awaited_turn import AwaitedTurn
from web.twilio.held_turn import HeldTurn
from web.twilio.turn_ids import turn_id_of
from web.twilio.voice_request import VoiceRequest


async def turn(ingress: Ingress, request: VoiceRequest) -> Response:
    """Answer the caller's words, keys or silence."""
    number = request.turn_number(at_least=1)
    turn_id = turn_id_of(number)
    since = clock.now()
    held = HeldTurn(turn=request.turn(turn_id), since=since)
    awaited = AwaitedTurn(request.call_sid, turn_id, number, request.languages(ingress.voices), held, since)
    return await answer(ingress, request, awaited, within=ingress.timeouts.filler_after)
