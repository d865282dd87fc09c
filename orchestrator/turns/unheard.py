"""What a caller over webhooks has not heard yet: the replies to turns that no webhook brought.

The provider asks for one document a webhook. So the reply to a signal, a timer or an activity waits for the next one,
and goes before its reply.
"""

from orchestrator.conversation.actions import SCHEDULE_ACTIONS
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord

_UNFETCHED = frozenset({"signal", "timer", "activity"})
_PASSED_OVER = frozenset({"interrupted", "ended"})


def is_unfetched(record: TurnRecord) -> bool:
    """True if no webhook waits for the reply of this turn."""
    return record.kind in _UNFETCHED


def unheard(state: ConversationState) -> list[Reply]:
    """Return the replies that the caller has not heard at the end of `state`, in order; none on other channels."""
    found: list[Reply] = []
    if state.channel != "gather":
        return found
    for record in reversed(state.turns):
        if is_unfetched(record):
            if record.outcome != "dropped" and _says_something(record.reply):
                found.append(_as_said(record.reply))
        elif record.kind not in _PASSED_OVER and record.outcome != "dropped":
            break
    return found[::-1]


def note_preceding(before: ConversationState, record: TurnRecord) -> None:
    """Note in `record`, which is to be committed on top of `before`, what the caller hears before its reply."""
    waits = not is_unfetched(record) and record.kind not in _PASSED_OVER and record.outcome != "dropped"
    record.preceding = unheard(before) if waits else []


def _says_something(reply: Reply) -> bool:
    return bool(reply.text.strip()) or any(not isinstance(action, SCHEDULE_ACTIONS) for action in reply.actions)


def _as_said(reply: Reply) -> Reply:
    """Return the reply without what does not concern the caller."""
    return reply.model_copy(
        update={"actions": [action for action in reply.actions if not isinstance(action, SCHEDULE_ACTIONS)]}
    )
