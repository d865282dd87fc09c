"""Ends calls that have been silent for too long: their status callback never came."""

import logging
from collections.abc import Iterable
from contextlib import suppress

from orchestrator.clock import utc_now
from orchestrator.conversation.silence import (
    LAST_CHANCE_SECONDS,
    is_occupied,
    last_sign,
    seconds_open,
    seconds_quiet,
    seconds_silent,
)
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallEnded, StateConflict, TurnRejected, UnknownCall, UnreadableState
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.store import TurnStore

logger = logging.getLogger(__name__)

ABANDONED_AFTER_SECONDS = 900.0

TimeLeft = float | None
"""In how many seconds the state of a call expires; None if its store does not say."""


def longest_silence(life: float) -> float:
    """Return after how many seconds of silence a call counts as abandoned, if its state is kept for `life` seconds.

    That is less than `life`: else the state would expire without a record of the call's end.
    """
    return min(ABANDONED_AFTER_SECONDS, life / 2)


def is_abandoned(state: ConversationState, life: float, left: TimeLeft) -> bool:
    """True if the call has been silent for longer than a caller can be, or its state is about to expire.

    The ingress that has the call's connection prevents both, or notes in the state that the connection is open.
    """
    is_open = left is None and state.open_until is not None and state.open_until > utc_now()
    if is_open or not state.is_active:
        return False
    kept = max(life, seconds_open(state) + seconds_quiet(state))
    silent = _silent_for(state) if left is None else kept - left
    if is_occupied(state):
        return silent >= kept - LAST_CHANCE_SECONDS
    # During a deploy the entry may have been written with another `STATE_TTL_SECONDS`, which makes `silent` wrong.
    return min(silent, _silent_for(state)) >= max(longest_silence(life), seconds_silent(state))


async def end_abandoned_calls(
    store: TurnStore, states: StateManagerBase, found: Iterable[tuple[str, TimeLeft]], *, life: float
) -> int:
    """End those of the `found` calls that are abandoned. Return how many. Raise `StoreUnavailable`.

    If the store does not say when a state expires, the states of the other active calls are written again, which renews
    their time to live.
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
    """Return the seconds since the last sign of life. A later write of the state may only have renewed its time to
    live."""
    return (utc_now() - last_sign(state)).total_seconds()


def _age(state: ConversationState) -> float:
    return (utc_now() - state.updated_at).total_seconds()
