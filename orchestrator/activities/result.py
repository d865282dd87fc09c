"""What an activity returns, as the turn that brings it has it."""

from typing import Any

from orchestrator.conversation.json_values import json_value
from orchestrator.errors import BadActivity


def result_of(value: Any) -> Any:
    """Return the value as JSON has it. Raise `BadActivity`. A large one takes a while, and may run code of its own."""
    try:
        return json_value(value)
    except ValueError as error:
        raise BadActivity(f"Its result {error}.") from None
