"""Fires timers: submits the turns that they bring."""

import logging

from orchestrator import clock
from orchestrator.conversation.turn import Turn
from orchestrator.errors import TurnRejected
from orchestrator.process_metrics import catalog
from orchestrator.schedule.item import TimerItem
from orchestrator.schedule.schedule import Schedule, ScheduledRun
from orchestrator.turns.own_turns import submit_own
from orchestrator.turns.store import TurnStore

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 100
CROWDED_SECONDS = 1.0
"""How long a timer waits whose call has no room for one more turn."""
LATE_SECONDS = 3.0
"""A timer that fires later than this is logged."""


class TimerHandler:
    """Submits the turns of timers to `store`."""

    def __init__(self, schedule: Schedule, store: TurnStore) -> None:
        self._schedule = schedule
        self._store = store
        self._running = 0

    @property
    def room(self) -> int:
        return MOST_AT_ONCE - self._running

    async def carry_out(self, run: ScheduledRun) -> None:
        if isinstance(run.item, TimerItem):
            self._running += 1
            try:
                await self._fire(run, run.item)
            finally:
                self._running -= 1

    async def _fire(self, run: ScheduledRun, timer: TimerItem) -> None:
        turn = Turn(turn_id=timer.turn_id, call_sid=timer.call_sid, kind="timer", text=timer.name, data=timer.data)
        if timer.sealed_words:
            turn = turn.model_copy(update={"data": {}, "sealed_words": timer.sealed_words})
        try:
            is_submitted = await submit_own(self._store, turn)
        except TurnRejected:
            await self._schedule.fail(run, clock.now() + CROWDED_SECONDS)
            return
        late = max(0.0, clock.now() - timer.due_at.timestamp())
        if await self._schedule.settle(run):
            self._note(timer, late, is_submitted=is_submitted)

    @staticmethod
    def _note(timer: TimerItem, late: float, *, is_submitted: bool) -> None:
        about = {"call_sid": timer.call_sid, "turn_id": timer.turn_id}
        catalog.TIMERS.inc("fired" if is_submitted else "dropped")
        if not is_submitted:
            logger.info("A timer is dropped: its call is over", extra={"action": "timer.dropped", **about})
            return
        catalog.TIMER_LATE_SECONDS.observe(late)
        if late > LATE_SECONDS:
            message = "A timer fired %.1f seconds late"
            logger.warning(message, late, extra={"action": "timer.late", **about})
        else:
            logger.debug("A timer fired", extra={"action": "timer.fired", **about})
