"""Takes up what calls had scheduled in an earlier process, where states outlive it: what their states tell of it."""

import asyncio
import logging
from datetime import datetime

from orchestrator.activities.activity_handler import WORKER_LOST
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable, TurnRejected, UnreadableState
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.restored import timers_of
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.own_turns import submit_own

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 2.0


async def restore_schedules(
    store: InMemoryTurnStore, began_at: datetime, *, again_seconds: float = AGAIN_SECONDS
) -> None:
    """Set the timers of all calls, and end the activities that were started before `began_at`: they are lost.

    The state does not have their arguments, so they are not run again. The messages of an earlier process are lost.
    """
    while True:
        try:
            for call_sid in await store.states.get_all_call_sids():
                await _restore_call(store, call_sid, began_at)
            return
        except (StoreUnavailable, TurnRejected):
            await asyncio.sleep(again_seconds)
        except Exception:
            logger.exception(
                "What calls had scheduled cannot be read; report this", extra={"action": "schedule.failed"}
            )
            return


async def _restore_call(store: InMemoryTurnStore, call_sid: str, began_at: datetime) -> None:
    try:
        state = await store.states.get_state(call_sid)
    except UnreadableState:
        return
    if state is not None and state.ended is None:
        store.scheduling.schedule.write_now(call_sid, ScheduleChanges(timers_of(state)))
        for turn in _ends_of_lost(state, began_at):
            await submit_own(store, turn)


def _ends_of_lost(state: ConversationState, began_at: datetime) -> list[Turn]:
    return [
        Turn(turn_id=it.turn_id, call_sid=state.call_sid, kind="activity", text=name, data={"error": WORKER_LOST})
        for name, it in state.activities.items()
        if it.started_at < began_at
    ]
