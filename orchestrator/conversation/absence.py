"""Whether a caller is away from the conversation: connected with a person, or leaving a message.

Nothing of the caller's arrives meanwhile, and what is to be said waits until they are back.
"""

from orchestrator.conversation.actions import LEAVING_ACTIONS, HangUp, Record, Transfer
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import UNPROMPTED_KINDS


def leaving_of(record: TurnRecord) -> HangUp | Transfer | Record | None:
    """Return the action with which the reply ends, counting the replies that the caller hears before it."""
    for reply in (*record.preceding, record.reply):
        for action in reply.actions:
            if isinstance(action, LEAVING_ACTIONS):
                return action
    return None


def left_by(state: ConversationState) -> TurnRecord | None:
    """Return the turn whose reply transfers or records a caller who is not back yet; None if there is none."""
    for record in reversed(state.turns):
        if state.channel == "gather" and record.kind in UNPROMPTED_KINDS:  # carried out with the reply that it precedes
            continue
        leaving = leaving_of(record)
        if leaving is not None:
            return record if isinstance(leaving, Transfer | Record) else None
        if record.kind not in UNPROMPTED_KINDS:
            return None
    return None
