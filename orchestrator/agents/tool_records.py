"""The record of the tool calls of a call, in a slot: later turns show it to the model, and a call keeps its key."""

from hashlib import sha256
from typing import Any

from pydantic_core import to_json, to_jsonable_python

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

CALLS_SLOT = "tool_calls"
"""The slot that records every call: `{"turn", "key", "tool", "arguments", "result"}`; no result while it runs."""
MOST_RECORDS = 50
MOST_RESULT_CHARACTERS = 4000


def record_of(turn: Turn, state: ConversationState, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the record of this call: that of an earlier run, whether it ended or was cancelled, or a new one."""
    records: list[dict[str, Any]] = state.slots.setdefault(CALLS_SLOT, [])
    key = key_of(turn, tool, arguments)
    for record in records:
        was_cancelled = "result" not in record and (record["tool"], record["arguments"]) == (tool, arguments)
        if record["key"] == key or was_cancelled:
            return record
    records.append({"turn": turn.turn_id, "key": key, "tool": tool, "arguments": arguments})
    del records[:-MOST_RECORDS]
    return records[-1]


def key_of(turn: Turn, tool: str, arguments: dict[str, Any]) -> str:
    """Return the idempotency key of a call: the same for the same arguments, in any order and in every attempt."""
    return f"{turn.idempotency_key}/{tool}/{_fingerprint(arguments)}"


def call_id_of(record: dict[str, Any]) -> str:
    """Return the id by which a model tells calls and results apart."""
    return f"call_{sha256(record['key'].encode()).hexdigest()[:16]}"


def as_bounded_json(returned: Any) -> Any:
    """Return what a tool returned as JSON for the state, cut off after `MOST_RESULT_CHARACTERS`."""
    result = to_jsonable_python(returned, fallback=str)
    text = to_json(result).decode()
    return result if len(text) <= MOST_RESULT_CHARACTERS else f"{text[:MOST_RESULT_CHARACTERS]}… (cut)"


def _fingerprint(arguments: dict[str, Any]) -> str:
    return sha256(to_json(_sorted(arguments))).hexdigest()[:16]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
