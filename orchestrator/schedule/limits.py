"""What one call may have asked for: a bound for agents that never stop, and names that mean one thing."""

from collections.abc import Sequence

from orchestrator.conversation.actions import Action, CancelActivity, SendMessage, SetTimer, StartActivity
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import ScheduleRefused

MOST_TIMERS = 50
MOST_ACTIVITIES = 20
MOST_MESSAGES = 20


def check_schedule(state: ConversationState | None, turn_id: str, actions: Sequence[Action]) -> None:
    """Raise `ScheduleRefused` if the reply with these actions, to the turn `turn_id`, asks for too much.

    An activity whose name is live fails the turn: which of the two a result belongs to could not be told.
    """
    if state is None:
        return
    timers = {name for name, timer in state.timers.items() if timer.turn_id != turn_id}
    activities = {name for name, activity in state.activities.items() if activity.turn_id != turn_id}
    for action in actions:
        if isinstance(action, SetTimer):
            timers.add(action.name)
        elif isinstance(action, CancelActivity):
            activities.discard(action.name)
        elif isinstance(action, StartActivity):
            if action.name in activities:
                raise ScheduleRefused(
                    f"an activity named {action.name} runs already: cancel it, or give the new one another name"
                )
            activities.add(action.name)
    _bound("timers", len(timers), MOST_TIMERS)
    _bound("activities at once", len(activities), MOST_ACTIVITIES)
    if any(isinstance(action, SendMessage) for action in actions):
        _bound("text messages", _messages(state, actions), MOST_MESSAGES)


def _messages(state: ConversationState, actions: Sequence[Action]) -> int:
    sent = [action for record in state.turns for action in record.reply.actions]
    return sum(isinstance(action, SendMessage) for action in (*sent, *actions))


def _bound(what: str, count: int, most: int) -> None:
    if count > most:
        raise ScheduleRefused(f"one call may have {most} {what}")
