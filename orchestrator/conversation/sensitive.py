"""Sensitive turns: what the caller says or keys is seen by the agent and kept nowhere.

A `Gather(sensitive=True)` asks for it. From then on each turn is sensitive until one brought words or keys and was
answered: over silence, signals, another question, a lost connection, a failed turn.
"""

from collections.abc import Iterable

from orchestrator.conversation.actions import Action, Gather
from orchestrator.conversation.state import ConversationState, TurnRecord

HIDDEN = "[hidden]"
"""Stands for what is kept nowhere."""


def asks_for_sensitive(actions: Iterable[Action]) -> bool:
    """True if a reply with these `actions` asks for what is sensitive."""
    return any(isinstance(action, Gather) and action.sensitive for action in actions)


def awaits_sensitive(state: ConversationState) -> bool:
    """True if the next words or keys of the caller are sensitive: they were asked for, and nobody has answered any
    since."""
    return open_sensitive_question(state.turns) is not None


def open_sensitive_question(turns: list[TurnRecord]) -> Gather | None:
    """Return what asked for something sensitive, if that has not come since or was not answered; else None."""
    for record in reversed(turns):
        question = None
        for reply in (*record.preceding, record.reply):
            for action in reply.actions:
                if isinstance(action, Gather) and action.sensitive:
                    question = action
        if question is not None or (record.kind in ("speech", "keys") and _is_answered(record)):
            return question
    return None


def _is_answered(record: TurnRecord) -> bool:
    """True if the caller heard an answer. After none, or an apology, they say the same again, or the rest of it."""
    if record.outcome == "interrupted":
        return bool(record.heard_text.strip())
    return record.outcome not in ("failed", "timed_out", "dropped")
