"""The state as messages for pydantic-ai: who said what, what tools did, and how much of it the caller heard."""

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

from orchestrator.agents.call_history import AgentText, CallerText, Entry, ToolCall, ToolResult, caller_text, history_of
from orchestrator.agents.sensitive_text import as_models_see, redacted_entries
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.sensitive_turns.redaction import Redaction

Part = ModelRequestPart | ModelResponsePart


def messages_for(
    turn: Turn, state: ConversationState, system: str, budget: int, redaction: Redaction | None = None
) -> list[ModelMessage]:
    """Return the messages to send to a model so that it answers `turn`. `redaction` hides what it must not see.

    Earlier turns take up `budget` characters at most: the opening stays, and the oldest turns after it are left out.
    The system prompt and `turn` itself do not count.
    """
    history = redacted_entries(history_of(state, budget), redaction)
    entries = [*history, CallerText(caller_text(as_models_see(turn, redaction)))]
    return _joined([SystemPromptPart(system), *map(_part, entries)])


def messages_of(entries: list[Entry]) -> list[ModelMessage]:
    """Return entries of the history as messages."""
    return _joined([_part(entry) for entry in entries])


def _joined(parts: list[Part]) -> list[ModelMessage]:
    """Return messages of the parts. Parts from the same side share one, as some servers require."""
    messages: list[ModelMessage] = []
    for part in parts:
        last = messages[-1] if messages else None
        if isinstance(part, TextPart | ToolCallPart):
            if isinstance(last, ModelResponse):
                last.parts = [*last.parts, part]
            else:
                messages.append(ModelResponse(parts=[part]))
        elif isinstance(last, ModelRequest):
            last.parts = [*last.parts, part]  # type: ignore[list-item]
        else:
            messages.append(ModelRequest(parts=[part]))  # type: ignore[list-item]
    return messages


def _part(entry: Entry) -> Part:
    match entry:
        case CallerText(text):
            return UserPromptPart(text)
        case AgentText(text):
            return TextPart(text)
        case ToolCall(call_id, tool, arguments):
            return ToolCallPart(tool, arguments, tool_call_id=call_id)
        case ToolResult(call_id, tool, result):
            return ToolReturnPart(tool, result, tool_call_id=call_id)
