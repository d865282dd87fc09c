"""States as they are shown: without what is encrypted in them, which is for workers and for those who speak alone."""

from typing import Any

from orchestrator.conversation.state import ConversationState

SEALED = ("sealed_words", "hidden_slots", "hidden_words")


def shown_state(state: ConversationState) -> dict[str, Any]:
    """Return the state as JSON has it, without what is encrypted."""
    fields = state.model_dump(mode="json").items()
    return {name: value if name == "slots" else _shown(value) for name, value in fields if name not in SEALED}


def has_sealed(state: ConversationState) -> bool:
    """True if something in the state may be encrypted: the call has had a sensitive turn."""
    return bool(state.hidden_words or state.hidden_slots)


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shown(inner) for name, inner in value.items() if name not in SEALED}
    return [_shown(inner) for inner in value] if isinstance(value, list) else value
