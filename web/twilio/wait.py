"""`POST /twilio/turn/{n}/wait`: where the provider is redirected to after a filler."""

import math

from starlette.responses import Response

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from web.ingress import Ingress
from web.twilio.answer import answer, hold_sealed
from web.twilio.awaited_turn import AwaitedTurn
from web.twilio.held_turn import HeldTurn, read_held_turn
from web.twilio.turn_ids import turn_id_of
from web.twilio.voice_request import VoiceRequest

MAX_ATTEMPT = 9999


async def wait(ingress: Ingress, request: VoiceRequest) -> Response:
    """Answer with the turn's reply if there is one by now, else with the next filler.

    If the seal of the turn is broken or too old and the store does not have the turn, the caller is asked to repeat.
    """
    number = request.turn_number(at_least=0)
    turn_id = turn_id_of(number)
    sealed = request.query.get("held", "")
    try:
        held = _held(ingress, request, turn_id) if sealed and await ingress.seal.knows(sealed) else None
    except StoreUnavailable as error:  # perhaps another ingress's seal, whose key cannot be read now
        since = _since(request.query.get("since", ""))
        awaited = AwaitedTurn(
            request.call_sid, turn_id, number, request.languages(ingress.voices), None, since, _attempt_of(request)
        )
        return hold_sealed(ingress, awaited, sealed, error)
    awaited = AwaitedTurn(
        call_sid=request.call_sid,
        turn_id=turn_id,
        number=number,
        languages=request.languages(ingress.voices),
        held=held,
        since=held.since if held else _since(request.query.get("since", "")),
        attempt=_attempt_of(request),
    )
    return await answer(ingress, request, awaited, within=ingress.timeouts.wait)


def _held(ingress: Ingress, request: VoiceRequest, turn_id: str) -> HeldTurn | None:
    sealed = request.query.get("held")
    held = read_held_turn(ingress.seal, sealed) if sealed else None
    if held is None or (held.turn.call_sid, held.turn.turn_id) != (request.call_sid, turn_id):
        return None
    return held


def _since(text: str) -> float:
    try:
        since = float(text)
    except ValueError:
        return clock.now()
    return min(since, clock.now()) if math.isfinite(since) else clock.now()


def _attempt_of(request: VoiceRequest) -> int:
    text = request.query.get("attempt", "")
    return min(int(text), MAX_ATTEMPT) if text.isascii() and text.isdecimal() and len(text) < 9 else 1
