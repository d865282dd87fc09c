"""What stands in a call's hash of turns, read without trusting it: others can write to Redis, too."""

from pydantic import ValidationError

from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn

WAITING = b"P"
RECORDED = b"R"


def waiting_turn(call_sid: str, turn_id: bytes, body: bytes) -> Turn | None:
    """The turn that waits under its id; None if that is no turn, or another one: nobody could settle it."""
    turn = interruption(body)
    if turn is None or turn.call_sid != call_sid or turn.turn_id.encode(errors="replace") != turn_id:
        return None
    return turn


def interruption(body: bytes) -> Turn | None:
    """The turn in `body`, whatever it is called; None if there is none."""
    try:
        return Turn.model_validate_json(body) if body else None
    except ValidationError:
        return None


def recorded_result(text: bytes) -> TurnResult | None:
    """The result in `text`; None if it cannot be read."""
    try:
        return TurnResult.model_validate_json(text)
    except ValidationError:
        return None
