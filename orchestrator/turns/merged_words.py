"""Words that the caller said in several turns, and that are answered together."""

from collections.abc import Mapping

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn


def with_merged_words(turn: Turn, state: ConversationState, opened: Mapping[str, str] | None = None) -> Turn:
    """Return the turn with the words of the turns that were merged into it; of sensitive ones those in `opened`, by
    turn id."""
    words = [turn.text]
    for record in reversed(state.turns):
        if not (record.__pydantic_extra__ or {}).get("merged"):
            break
        words.insert(0, (opened or {}).get(record.turn_id, record.text))
    return turn if len(words) == 1 else turn.model_copy(update={"text": " ".join(filter(None, words))})
