"""What a run of a framework tells while it answers a turn. A piece of text is a str."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NewMessage:
    """The text that follows is a message of its own."""


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The model calls a tool."""

    call_id: str
    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A tool has returned."""

    call_id: str
    result: Any


Event = str | NewMessage | ToolStarted | ToolEnded


def arguments_of(text: str | dict[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of a call, which models send as JSON; none if it is no object."""
    if isinstance(text, str):
        try:
            text = json.loads(text or "{}")
        except (ValueError, RecursionError):
            return {}
    return text if isinstance(text, dict) else {}
