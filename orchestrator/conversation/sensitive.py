"""Sensitive turns: what the caller says or keys is seen by the agent and kept nowhere.

A `Gather(sensitive=True)` asks for it. From then on each turn is sensitive until one brought words or keys: over
silence, signals, another question, a lost connection.
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
    """True if the next words or keys of the caller are sensitive: they were asked for, and have not come yet."""
    return any(_asks(record) for record in _since_words(state.turns))


def _since_words(turns: list[TurnRecord]) -> Iterable[TurnRecord]:
    """Yield the records from the latest back to the last that brought words or keys, with that one."""
    for record in reversed(turns):
        yield record
        if record.kind in ("speech", "keys") and record.outcome != "dropped":
            return


def _asks(record: TurnRecord) -> bool:
    return any(asks_for_sensitive(reply.actions) for reply in (*record.preceding, record.reply))
