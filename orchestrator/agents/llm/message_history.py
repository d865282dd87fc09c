"""The state as messages for a model: who said what, what tools did, and how much of it the caller heard."""

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

from orchestrator.agents.llm.toolset import CALLS_SLOT
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
    """One turn of the call as message parts. `size` is their length in characters."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts
        self.size = sum(map(_size, parts))


def messages_for(turn: Turn, state: ConversationState, system: str, budget: int) -> list[ModelMessage]:
    """Return the messages to send to a model so that it answers `turn`.

    Earlier turns take up `budget` characters at most: the opening stays, and the oldest turns after it are left out.
    The system prompt and `turn` itself do not count.
    """
    tool_calls: list[dict[str, Any]] = state.slots.get(CALLS_SLOT, [])
    past = [Exchange(list(_parts(record, tool_calls))) for record in state.turns if record.outcome != "dropped"]
    messages = _Messages(SystemPromptPart(system))
    for exchange in _within(budget, [exchange for exchange in past if exchange.parts]):
        messages.add(exchange.parts)
    messages.add([UserPromptPart(_caller_text(turn.kind, turn.text, turn.digits))])
    return messages.list


def silences_before(state: ConversationState) -> int:
    """Return the number of turns in a row, up to the last one, in which the caller said nothing."""
    count = 0
    while count < len(state.turns) and state.turns[-1 - count].kind == "silence":
        count += 1
    return count


class _Messages:
    """A list of messages that grows by parts. Parts from the same side share a message, as some servers require."""

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


def _parts(record: TurnRecord, tool_calls: list[dict[str, Any]]) -> Iterator[Part]:
    if caller_text := _caller_text(record.kind, record.text, record.digits):
        yield UserPromptPart(caller_text)
    yield from _tool_parts([call for call in tool_calls if call["turn"] == record.turn_id])
    if said := record.heard_text.strip():
        yield TextPart(said)
    if record.outcome == "interrupted" and not (record.__pydantic_extra__ or {}).get("merged"):
        yield UserPromptPart(CUT_OFF if said else UNHEARD)


def _tool_parts(calls: list[dict[str, Any]]) -> Iterator[Part]:
    """Yield all calls of a turn, then all results: servers refuse a call without its result."""
    for call in calls:
        yield ToolCallPart(call["tool"], call["arguments"], tool_call_id=_call_id(call))
    for call in calls:
        yield ToolReturnPart(call["tool"], call.get("result", NO_RESULT), tool_call_id=_call_id(call))


def _call_id(call: dict[str, Any]) -> str:
    return f"call_{call['key'].rpartition('/')[2]}"


def _caller_text(kind: str, text: str, digits: str) -> str:
    """Return what the caller did, in the words that the model reads; "" if it need not know of it."""
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
