"""What is left of a schedule in the state of its call, for a process that has the state alone."""

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import OWN_PREFIX
from orchestrator.schedule.item import ScheduledItem, TimerItem


def timers_of(state: ConversationState) -> tuple[ScheduledItem, ...]:
    """Return the timers of the call, as the commits of their turns wrote them."""
    return tuple(
        TimerItem(
            item_id=timer.turn_id.removeprefix(OWN_PREFIX), call_sid=state.call_sid, life=state.created_at.isoformat(),
            asked_by="", due_at=timer.due_at, name=name, data=timer.data,
            sealed_words=timer.sealed_words,
        )
        for name, timer in state.timers.items()
    )  # fmt: skip
