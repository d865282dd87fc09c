"""The call so far as a language model gets it: who said what, what tools did, and how much of it the caller heard.

Entries are of no framework; each framework has its own messages for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pydantic_core import to_json

from orchestrator.agents.own_turn_text import own_turn_text
from orchestrator.agents.tool_records import CALLS_SLOT, call_id_of
from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import OWN_KINDS, Turn

BEGUN = "[The call begins. Greet the caller.]"
SILENCE = "[The caller says nothing.]"
HANDED_OFF = "[Another agent has given you the call. Go on with it.]"
CUT_OFF = "[The caller interrupted you here, and heard no more than this.]"
UNHEARD = "[The caller interrupted you before they heard any of your answer.]"
LEFT_OUT = "[A part of the call is left out here.]"
ENTERED = "[The caller has entered something that you cannot see. Your tools can use it.]"
NO_RESULT = "This was cut off while it ran. Whether it was done is not known."


@dataclass(frozen=True, slots=True)
class CallerText:
    """What the caller said. Text in square brackets says what happened on the line."""

    text: str

    @property
    def size(self) -> int:
        """The length in characters."""
        return len(self.text)


@dataclass(frozen=True, slots=True)
class AgentText:
    """What the caller heard of the agent's reply."""

    text: str

    @property
    def size(self) -> int:
        """The length in characters."""
        return len(self.text)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool."""

    call_id: str
    tool: str
    arguments: dict[str, Any]

    @property
    def arguments_json(self) -> str:
        """The arguments as JSON."""
        return to_json(self.arguments).decode()

    @property
    def size(self) -> int:
        """The length in characters."""
        return len(self.tool) + len(self.arguments_json)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returned: JSON."""

    call_id: str
    tool: str
    result: Any

    @property
    def text(self) -> str:
        """The result as text: a str as it is, anything else as JSON."""
        return self.result if isinstance(self.result, str) else to_json(self.result).decode()

    @property
    def size(self) -> int:
        """The length in characters."""
        return len(to_json(self.result))


Entry = CallerText | AgentText | ToolCall | ToolResult


def history_of(state: ConversationState, budget: int) -> list[Entry]:
    """Return the turns so far, in `budget` characters at most: the opening stays, and the oldest turns after it are
    left out."""
    tool_calls: list[dict[str, Any]] = state.slots.get(CALLS_SLOT, [])
    past = [list(_entries(record, tool_calls)) for record in state.turns if record.outcome != "dropped"]
    return [entry for exchange in _within(budget, [exchange for exchange in past if exchange]) for entry in exchange]


def caller_text(turn: Turn | TurnRecord) -> str:
    """Return what the caller did, in the words that a model reads; "" if it need not know of it."""
    if turn.sensitive and turn.text == HIDDEN and turn.kind in ("speech", "keys"):
        return ENTERED
    match turn.kind:
        case "started":
            return BEGUN
        case "speech":
            return turn.text or "[The caller said something that was not understood.]"
        case "keys":
            return f"[The caller pressed the keys {' '.join(turn.digits or turn.text)}]"
        case "handed_off":
            return f"{HANDED_OFF[:-1]} Its note: {turn.text}]" if turn.text else HANDED_OFF
        case "interrupted" | "ended":
            return ""
        case kind if kind in OWN_KINDS:
            return own_turn_text(turn)
        case _:
            return SILENCE


def silences_before(state: ConversationState) -> int:
    """Return the number of turns in a row, up to the last one, in which the caller said nothing. Those that no words of
    the caller begin are passed over."""
    kinds = [record.kind for record in state.turns if record.kind not in OWN_KINDS]
    return len(list(takewhile(lambda kind: kind == "silence", reversed(kinds))))


def _entries(record: TurnRecord, tool_calls: list[dict[str, Any]]) -> Iterator[Entry]:
    if text := caller_text(record):
        yield CallerText(text)
    yield from _tool_entries([call for call in tool_calls if _is_of(call, record)])
    if said := record.heard_text.strip():
        yield AgentText(said)
    if record.outcome == "interrupted" and not (record.__pydantic_extra__ or {}).get("merged"):
        yield CallerText(CUT_OFF if said else UNHEARD)


def _is_of(call: dict[str, Any], record: TurnRecord) -> bool:
    """True if the call belongs to the turn, as this agent sees it: not if the agent before it has made the call, and
    handed over without its history."""
    is_shown = record.kind != "handed_off" or f"/{record.turn_id}/h" in call["key"]
    return call["turn"] == record.turn_id and is_shown


def _tool_entries(calls: list[dict[str, Any]]) -> Iterator[Entry]:
    """Yield all calls of a turn, then all results: servers refuse a call without its result."""
    for call in calls:
        yield ToolCall(call_id_of(call), call["tool"], call["arguments"])
    for call in calls:
        yield ToolResult(call_id_of(call), call["tool"], call.get("result", NO_RESULT))


def _within(budget: int, past: list[list[Entry]]) -> list[list[Entry]]:
    sizes = [sum(entry.size for entry in exchange) for exchange in past]
    if sum(sizes) <= budget:
        return past
    opening = past[:1] if sizes[0] <= budget // 2 else []
    left = budget - sum(sizes[: len(opening)])
    kept: list[list[Entry]] = []
    for exchange, size in reversed(list(zip(past, sizes, strict=True))[len(opening) :]):
        left -= size
        if left < 0:
            break
        kept.insert(0, exchange)
    return [*opening, [CallerText(LEFT_OUT)], *kept]
