"""The state of a placed call. It is created when the provider accepts the call, so that a call which nobody answers is
counted, can be deleted, and gets an end."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from orchestrator.conversation.silence import seconds_open
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StateConflict, VoiceAgentError
from orchestrator.retrying import until_deadline
from orchestrator.state.base import StateManagerBase

logger = logging.getLogger(__name__)

BEGIN_SECONDS = 2.0

Accept = Callable[[ConversationState], Awaitable[None]]
"""`Dispatcher.accept`."""


async def create_placed_state(states: StateManagerBase, accept: Accept, call_sid: str, opening: dict[str, Any]) -> None:
    """Create the call's state unless it exists, tell that by `accept`, and keep it for as long as the call may ring.

    If the store does not answer, log that: the state is created when somebody answers the call.
    """
    await _tried(call_sid, _begin(states, accept, call_sid, opening))


async def add_slots(states: StateManagerBase, call_sid: str, slots: dict[str, Any]) -> None:
    """Add what is known of the answer to the slots of a placed call, if it has a state and no turn was run yet."""
    await _tried(call_sid, _note(states, call_sid, slots))


async def _begin(states: StateManagerBase, accept: Accept, call_sid: str, opening: dict[str, Any]) -> None:
    state = await until_deadline(lambda: states.create_state(call_sid, **opening), BEGIN_SECONDS)
    await until_deadline(lambda: accept(state), BEGIN_SECONDS)
    if open_for := seconds_open(state):
        await until_deadline(lambda: states.keep_alive([call_sid], open_for), BEGIN_SECONDS)


async def _note(states: StateManagerBase, call_sid: str, slots: dict[str, Any]) -> None:
    state = await until_deadline(lambda: states.get_state(call_sid), BEGIN_SECONDS)
    if state is None or state.turns or state.ended is not None or slots.items() <= state.slots.items():
        return
    with contextlib.suppress(StateConflict):  # a copy of the webhook was faster, or the call is over
        await states.update_state(state.model_copy(update={"slots": {**slots, **state.slots}}))


async def _tried(call_sid: str, work: Awaitable[object]) -> None:
    try:
        async with asyncio.timeout(BEGIN_SECONDS + 0.5):
            await work
    except (VoiceAgentError, TimeoutError) as error:
        logger.warning(
            "A placed call has no state yet: %s",
            str(error) or "the store does not answer in time",
            extra={"action": "outbound.context_lost", "call_sid": call_sid},
        )
