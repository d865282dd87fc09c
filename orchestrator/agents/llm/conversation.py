"""The state as a model sees it: who said what, what the tools did, and how much of it the caller heard."""

from collections.abc import Iterator
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_core import to_json

from orchestrator.agents.llm.toolbox import CALLS
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn

BEGUN = "[The call begins. Greet the caller.]"
SILENCE = "[The caller says nothing.]"
CUT_OFF = "[The caller interrupted you here, and heard no more than this.]"
UNHEARD = "[The caller interrupted you before they heard any of your answer.]"
LEFT_OUT = "[A part of the call is left out here.]"
NO_RESULT = "This was cut off while it ran. Whether it was done is not known."

Part = ModelRequestPart | ModelResponsePart


class Exchange:
    """One turn of the call, as parts of messages. `size` is their length in characters."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts
        self.size = sum(map(_size, parts))


def messages_for(turn: Turn, state: ConversationState, system: str, budget: int) -> list[ModelMessage]:
    """What to send to a model so that it answers `turn`.

    What went before is held to `budget` characters: the opening stays, then the oldest turns are left out. The system
    prompt and `turn` itself are not counted.
    """
    notes: list[dict[str, Any]] = state.slots.get(CALLS, [])
    past = [Exchange(list(_parts(record, notes))) for record in state.turns if record.outcome != "dropped"]
    messages = _Messages(SystemPromptPart(system))
    for exchange in _within(budget, [exchange for exchange in past if exchange.parts]):
        messages.add(exchange.parts)
    messages.add([UserPromptPart(_heard(turn.kind, turn.text, turn.digits))])
    return messages.list


def silences_before(state: ConversationState) -> int:
    """How many turns in a row, up to now, the caller has said nothing."""
    count = 0
    while count < len(state.turns) and state.turns[-1 - count].kind == "silence":
        count += 1
    return count


class _Messages:
    """Messages that grow by parts: neighbours from the same side share a message, as some servers demand."""

    def __init__(self, first: ModelRequestPart) -> None:
        self.list: list[ModelMessage] = [ModelRequest(parts=[first])]

    def add(self, parts: list[Part]) -> None:
        for part in parts:
            last = self.list[-1]
            if isinstance(part, TextPart | ToolCallPart):
                if isinstance(last, ModelResponse):
                    last.parts = [*last.parts, part]
                else:
                    self.list.append(ModelResponse(parts=[part]))
            elif isinstance(last, ModelRequest):
                last.parts = [*last.parts, part]  # type: ignore[list-item]
            else:
                self.list.append(ModelRequest(parts=[part]))  # type: ignore[list-item]


def _parts(record: TurnRecord, notes: list[dict[str, Any]]) -> Iterator[Part]:
    if heard := _heard(record.kind, record.text, record.digits):
        yield UserPromptPart(heard)
    yield from _tool_parts([note for note in notes if note["turn"] == record.turn_id])
    if said := record.heard_text.strip():
        yield TextPart(said)
    if record.outcome == "interrupted" and not (record.__pydantic_extra__ or {}).get("merged"):
        yield UserPromptPart(CUT_OFF if said else UNHEARD)


def _tool_parts(notes: list[dict[str, Any]]) -> Iterator[Part]:
    """All calls of a turn, then all of their results: a call must not go without its result."""
    for note in notes:
        yield ToolCallPart(note["tool"], note["arguments"], tool_call_id=_call_id(note))
    for note in notes:
        yield ToolReturnPart(note["tool"], note.get("result", NO_RESULT), tool_call_id=_call_id(note))


def _call_id(note: dict[str, Any]) -> str:
    return f"call_{note['key'].rpartition('/')[2]}"


def _heard(kind: str, text: str, digits: str) -> str:
    """What the caller did, as the model reads it; "" for what it need not know of."""
    match kind:
        case "started":
            return BEGUN
        case "speech":
            return text or "[The caller said something that was not understood.]"
        case "keys":
            return f"[The caller pressed the keys {' '.join(digits or text)}]"
        case "interrupted" | "ended":
            return ""
        case _:
            return SILENCE


def _within(budget: int, past: list[Exchange]) -> list[Exchange]:
    if sum(exchange.size for exchange in past) <= budget:
        return past
    opening = [exchange for exchange in past[:1] if exchange.size <= budget // 2]
    left = budget - sum(exchange.size for exchange in opening)
    kept: list[Exchange] = []
    for exchange in reversed(past[len(opening) :]):
        left -= exchange.size
        if left < 0:
            break
        kept.insert(0, exchange)
    return [*opening, Exchange([UserPromptPart(LEFT_OUT)]), *kept]


def _size(part: Part) -> int:
    match part:
        case TextPart():
            return len(part.content)
        case ToolCallPart():
            return len(part.tool_name) + len(part.args_as_json_str())
        case ToolReturnPart():
            return len(to_json(part.content))
        case UserPromptPart():
            return len(str(part.content))
        case _:
            return 0
