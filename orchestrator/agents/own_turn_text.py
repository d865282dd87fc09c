"""What a language model reads of turns that no words of the caller began: a line in square brackets each."""

from typing import Any

from pydantic_core import to_json

from orchestrator.conversation.state import TurnRecord
from orchestrator.conversation.turn import Turn

MOST_CHARACTERS = 4000
"""Of the data of one such turn, as JSON. The model must not forget the call over it."""


def own_turn_text(turn: Turn | TurnRecord) -> str:
    """Return what such a turn tells the model."""
    match turn.kind:
        case "signal":
            return f"[You are told from outside the call: {turn.text}.{_data(turn.data)}]"
        case "timer":
            return f"[Your timer has gone off: {turn.text}.{_data(turn.data)}]"
        case "activity" if "error" in turn.data:
            return f"[What you have started has failed, with {turn.data['error']}: {turn.text}.]"
        case "activity":
            return f"[What you have started has ended: {turn.text}. Its result: {_json(turn.data.get('result'))}]"
        case "transferred":
            return f"[The caller is back. The transfer to {turn.data.get('to', 'a person')} ended with: {turn.text}.]"
        case _ if turn.data.get("url"):
            return f"[The caller has left a recorded message of {turn.data.get('seconds', 0)} seconds.]"
        case _:
            return "[The caller was asked for a recorded message, and has left none.]"


def _data(data: dict[str, Any]) -> str:
    return f" Its data: {_json(data)}" if data else ""


def _json(value: Any) -> str:
    text = to_json(value).decode()
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} … (the rest is left out)"
