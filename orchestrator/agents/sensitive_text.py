"""What a language model reads of sensitive turns: that there was one, and nothing that it brought."""

from dataclasses import replace

from orchestrator.agents.call_history import AgentText, CallerText, Entry, ToolCall, ToolResult
from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.sensitive_turns.redaction import Redaction

_NAMED = ("signal", "timer", "activity", "handed_off")
"""Kinds whose text an agent, or the program, gave."""


def redaction_for(state: ConversationState) -> Redaction | None:
    """Return what hides the words of the call's sensitive turns, of which the agent's state has all; None without."""
    return Redaction(state.hidden_words) if state.hidden_words else None


def last_words(state: ConversationState) -> str:
    """Return what the caller said or keyed in the last sensitive turn of the call; "" if there was none."""
    return state.hidden_words[-1] if state.hidden_words else ""


def as_models_see(turn: Turn, redaction: Redaction | None) -> Turn:
    """Return `turn` without what a sensitive one brings, and without what others repeat of that."""
    if redaction is None:
        return turn
    is_words = turn.sensitive and turn.kind not in _NAMED
    hides = {
        "text": HIDDEN if is_words else redaction.text(turn.text),
        "digits": "" if is_words else redaction.text(turn.digits),
        "data": {} if turn.sensitive else redaction.value(turn.data),
    }
    return turn.model_copy(update=hides)


def redacted_entries(entries: list[Entry], redaction: Redaction | None) -> list[Entry]:
    """Return the history without what sensitive turns brought."""
    return entries if redaction is None else [_redacted(entry, redaction) for entry in entries]


def _redacted(entry: Entry, redaction: Redaction) -> Entry:
    match entry:
        case CallerText(text) | AgentText(text):
            return replace(entry, text=redaction.text(text))
        case ToolCall(_, _, arguments):
            return replace(entry, arguments=redaction.value(arguments))
        case ToolResult(_, _, result):
            return replace(entry, result=redaction.value(result))
