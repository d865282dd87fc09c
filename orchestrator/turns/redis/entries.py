"""Decodes the entries of a call's hash of turns. They are not trusted: others can write to Redis, too."""

from pydantic import ValidationError

from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn

WAITING = b"P"
RECORDED = b"R"


def waiting_turn(call_sid: str, turn_id: bytes, body: bytes) -> Turn | None:
    """Return the waiting turn. None if the body is not a turn, or is one with another id: nobody could settle it."""
    turn = interruption(body)
    if turn is None or turn.call_sid != call_sid or turn.turn_id.encode(errors="replace") != turn_id:
        return None
    return turn


def interruption(body: bytes) -> Turn | None:
    """Return the turn in `body`, whatever its id; None if there is none."""
    try:
        return Turn.model_validate_json(body) if body else None
    except ValidationError:
        return None


def recorded_result(text: bytes) -> TurnResult | None:
    """Return the result in `text`; None if it cannot be read."""
    try:
        return TurnResult.model_validate_json(text)
    except ValidationError:
        return None
