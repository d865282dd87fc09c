"""What calls have scheduled that run in this process while Redis is down: it is carried out here, then handed over."""

from contextlib import AbstractContextManager
from datetime import timedelta

from orchestrator import clock
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import OWN_PREFIX
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.item import MessageItem, ScheduledItem
from orchestrator.schedule.memory_schedule import MemorySchedule
from orchestrator.schedule.schedule import Schedule

STATE_SECONDS = 2.0
"""How long workers leave what was handed over before its state is written: its turn would find that it is cancelled."""


class LocalSchedules:
    """Hands what calls have in `local` over to `shared`, the schedule of all processes.

    It comes before the state of its call, to be due a little later: if the process dies between both, the turns that it
    brings find nothing to do. The other way round, it would be lost.
    """

    def __init__(self, local: MemorySchedule, shared: Schedule) -> None:
        self._local = local
        self._shared = shared

    def moving(self, call_sid: str) -> AbstractContextManager[None]:
        """Begin nothing of the call here meanwhile. Unless it has `moved` by the end, all goes on here."""
        return self._local.moving(call_sid)

    async def hand_over(self, call_sid: str, ours: ConversationState | None) -> float:
        """Write what the call has scheduled. Return when, in Unix seconds. Raise `StoreUnavailable`.

        `ours` is the state here; without one, its messages are left. Repeating it is safe.
        """
        items = self._items(call_sid, ours)
        earliest = clock.utc_now() + timedelta(seconds=STATE_SECONDS)
        later = tuple(item.model_copy(update={"due_at": max(item.due_at, earliest)}) for item in items)
        await self._shared.write(call_sid, ScheduleChanges(later))
        return clock.now()

    async def hand_over_changes(
        self, base: ConversationState | None, merged: ConversationState, handed_over_at: float
    ) -> None:
        """Take off what has come here, or was cancelled, now that `merged` is written. Raise `StoreUnavailable`.

        `base` is the last state that both sides had. What may have come too soon is written again.
        """
        call_sid = merged.call_sid
        left = _ids(merged)
        removed = tuple(sorted(_ids(base) - left)) if base is not None else ()
        is_late = clock.now() - handed_over_at > STATE_SECONDS / 2
        added = [item for item in self._items(call_sid, merged) if not isinstance(item, MessageItem)] if is_late else []
        await self._shared.write(call_sid, ScheduleChanges(tuple(added), removed))

    def moved(self, call_sid: str) -> None:
        """All that the call has is handed over: what still runs here is lost."""
        self._local.moved(call_sid)

    def _items(self, call_sid: str, state: ConversationState | None) -> list[ScheduledItem]:
        left = _ids(state) if state is not None else set()
        items = self._local.hand_over(call_sid)
        return [item for item in items if item.item_id in left or isinstance(item, MessageItem)]


def _ids(state: ConversationState) -> set[str]:
    turn_ids = [*(it.turn_id for it in state.timers.values()), *(it.turn_id for it in state.activities.values())]
    return {turn_id.removeprefix(OWN_PREFIX) for turn_id in turn_ids}
