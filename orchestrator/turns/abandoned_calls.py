"""Calls that nobody is heard of any more: their status callback never came. Each gets a record of its end."""

import logging
from collections.abc import Iterable
from contextlib import suppress

from orchestrator.clock import utc_now
from orchestrator.conversation.silence import LAST_CHANCE_SECONDS, is_occupied, seconds_open, seconds_silent
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallEnded, StateConflict, TurnRejected, UnknownCall, UnreadableState
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.store import TurnStore

logger = logging.getLogger(__name__)

ABANDONED_AFTER_SECONDS = 900.0

TimeLeft = float | None
"""In how many seconds the state of a call expires; None where its store does not tell."""


def longest_silence(life: float) -> float:
    """How long a call may be silent whose state lives for `life` seconds: less than that, or it would expire without a
    record of its end."""
    return min(ABANDONED_AFTER_SECONDS, life / 2)


def is_abandoned(state: ConversationState, life: float, left: TimeLeft) -> bool:
    """Whether the call was silent for longer than its caller can be, or its state is about to expire.

    An ingress with an open line sees to it that neither is so, or notes that the line is open.
    """
    is_open = left is None and state.open_until is not None and state.open_until > utc_now()
    if is_open or not state.is_active:
        return False
    kept = max(life, seconds_open(state))
    silent = _silent_for(state) if left is None else kept - left
    if is_occupied(state):
        return silent >= kept - LAST_CHANCE_SECONDS
    # During a deploy the entry may be one of another `STATE_TTL_SECONDS`, and tell of a silence that never was.
    return min(silent, _silent_for(state)) >= max(longest_silence(life), seconds_silent(state))


async def end_abandoned_calls(
    store: TurnStore, states: StateManagerBase, found: Iterable[tuple[str, TimeLeft]], *, life: float
) -> int:
    """End those of the calls that are abandoned; how many. Raises `StoreUnavailable`.

    Open calls in a store that cannot keep them alive are written again, which renews their time.
    """
    ended = 0
    for call_sid, left in found:
        with suppress(UnknownCall, CallEnded, TurnRejected, UnreadableState, StateConflict):
            state = await states.get_state(call_sid)
            if state is None:
                continue
            if is_abandoned(state, life, left):
                await store.submit(Turn(turn_id="ended", call_sid=call_sid, kind="ended", text="abandoned"))
                ended += 1
                logger.info("An abandoned call is ended", extra={"action": "cron.abandoned", "call_sid": call_sid})
            elif left is None and state.is_active and _age(state) >= life / 3:
                await states.update_state(state)
    return ended


def _silent_for(state: ConversationState) -> float:
    """Seconds since the last turn. That the state was written since may only have renewed its time."""
    since = state.turns[-1].committed_at if state.turns else state.created_at
    return (utc_now() - since).total_seconds()


def _age(state: ConversationState) -> float:
    return (utc_now() - state.updated_at).total_seconds()
