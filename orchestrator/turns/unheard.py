"""What a caller over webhooks has not heard yet: the replies to turns that no webhook brought.

The provider asks for one document a webhook. So the reply to a signal, a timer or an activity waits for the next one,
and goes before its reply.
"""

from collections.abc import Iterable

from orchestrator.conversation.actions import SCHEDULE_ACTIONS, Action, Gather
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import UNPROMPTED_KINDS, Turn

_PASSED_OVER = frozenset({"interrupted", "ended"})
_UNANSWERED = ("dropped", "interrupted")
"""Outcomes of turns whose webhook may bring the caller nothing: one that was cut off is overtaken by what has done it.
"""


def is_unfetched(record: TurnRecord | Turn) -> bool:
    """True if no webhook waits for the reply of this turn."""
    return record.kind in UNPROMPTED_KINDS


def unheard(state: ConversationState) -> list[Reply]:
    """Return the replies that the caller has not heard at the end of `state`, in order; none on other channels."""
    return [_as_said(record.reply) for record in unheard_records(state)]


def unheard_records(state: ConversationState) -> list[TurnRecord]:
    """Return the records of these replies."""
    found: list[TurnRecord] = []
    if state.channel != "gather":
        return found
    for record in reversed(state.turns):
        if is_unfetched(record):
            if record.outcome != "dropped" and _says_something(record.reply):
                found.append(record)
        elif _is_heard_with(record):
            break
    return found[::-1]


def unheard_bytes(state: ConversationState) -> int:
    """Return the size of what is unheard, as JSON: the next webhook's record will hold it once more."""
    return sum(len(reply.model_dump_json().encode()) + 1 for reply in unheard(state))


def open_question(state: ConversationState) -> Gather | None:
    """Return how the caller was asked for an answer that they have not given, over webhooks; None if by default, or if
    what they have not heard yet asks anew."""
    if state.channel != "gather":
        return None
    for record in reversed(state.turns):
        if is_unfetched(record):
            if _gather(record.reply.actions) or record.reply.leaves:
                return None
        elif _is_heard_with(record):
            asked = [action for reply in (*record.preceding, record.reply) for action in reply.actions]
            return _gather(asked)
    return None


def _gather(actions: Iterable[Action]) -> Gather | None:
    return next((action for action in reversed(list(actions)) if isinstance(action, Gather)), None)


def note_preceding(before: ConversationState, record: TurnRecord) -> None:
    """Note in `record`, which is to be committed on top of `before`, what the caller hears before its reply."""
    preceding = unheard(before) if not is_unfetched(record) and _is_heard_with(record) else []
    if preceding or record.preceding:
        record.preceding = preceding


def _is_heard_with(record: TurnRecord) -> bool:
    """True if the caller hears with the reply of this turn, which a webhook brought, what precedes it."""
    return record.kind not in _PASSED_OVER and record.outcome not in _UNANSWERED


def _says_something(reply: Reply) -> bool:
    return bool(reply.text.strip()) or any(not isinstance(action, SCHEDULE_ACTIONS) for action in reply.actions)


def _as_said(reply: Reply) -> Reply:
    """Return the reply without what does not concern the caller."""
    return reply.model_copy(
        update={"actions": [action for action in reply.actions if not isinstance(action, SCHEDULE_ACTIONS)]}
    )
