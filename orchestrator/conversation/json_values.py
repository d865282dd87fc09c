"""Values that agents and their functions give us, as they are after a way through JSON."""

from typing import Any

from pydantic_core import from_json, to_json

MOST_JSON_BYTES = 100_000
"""Bytes of the arguments and the result of an activity, and of the data of a timer, as JSON."""
MOST_LEVELS = 100
"""How deep such a value may be nested. The state of the call, which holds it, could not be read beyond 200 levels."""


def json_value(value: Any) -> Any:
    """Return the value as JSON has it. Raise ValueError. A large one takes a while, and may run code of its own."""
    try:
        written = to_json(value, inf_nan_mode="constants")
        read = from_json(written, allow_inf_nan=False) if len(written) <= MOST_JSON_BYTES else None
    except (ValueError, RecursionError):
        raise ValueError("must be what JSON can hold: texts, finite numbers, lists and dictionaries") from None
    if len(written) > MOST_JSON_BYTES:
        raise ValueError(f"is longer than {MOST_JSON_BYTES} bytes of JSON")
    if _is_deep(read):
        raise ValueError(f"is nested deeper than {MOST_LEVELS} levels")
    return read


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [below for it in level if isinstance(it, dict | list) for below in _parts(it)]
        if not level:
            return False
    return True


def _parts(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value
