"""What an activity returns, as the turn that brings it has it."""

from typing import Any

from pydantic_core import from_json, to_json

from orchestrator.conversation.schedule_actions import MOST_JSON_BYTES
from orchestrator.errors import BadActivity


def result_of(value: Any) -> Any:
    """Return the value as JSON has it. Raise `BadActivity`. A large one takes a while, and may run code of its own."""
    try:
        written = to_json(value, inf_nan_mode="constants")
        if len(written) > MOST_JSON_BYTES:
            raise BadActivity(f"Its result is longer than {MOST_JSON_BYTES} bytes of JSON.")
        return from_json(written, allow_inf_nan=False)
    except (ValueError, RecursionError):
        raise BadActivity("Its result is not what JSON can hold: texts, finite numbers, lists, dictionaries.") from None
