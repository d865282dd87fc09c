"""Reads a state that was stored as JSON. Errors and logs never hold what the caller said."""

import logging

from pydantic import ValidationError

from orchestrator.conversation.state import ConversationState
from orchestrator.errors import UnreadableState

logger = logging.getLogger(__name__)


def read_state(call_sid: str, text: str | bytes) -> ConversationState:
    """Return the state in `text`. Raise `UnreadableState`, and log which fields are wrong."""
    try:
        state = ConversationState.model_validate_json(text)
    except ValidationError as error:
        raise unreadable(call_sid, error) from None  # pydantic's error quotes what the caller said
    if state.call_sid != call_sid:
        logger.error(
            "The state of a call cannot be read: it is another call's",
            extra={"action": "state.unreadable", "call_sid": call_sid},
        )
        raise UnreadableState
    return state


def unreadable(call_sid: str, error: ValidationError) -> UnreadableState:
    """Log which fields `error` is about, and return what to raise instead of it."""
    wrong = sorted({".".join(map(str, detail["loc"])) or "all of it" for detail in error.errors(include_input=False)})
    logger.error(
        "The state of a call cannot be read: %s",
        ", ".join(wrong)[:200],
        extra={"action": "state.unreadable", "call_sid": call_sid},
    )
    return UnreadableState()
