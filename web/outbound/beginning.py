"""The state of a placed call. It begins when the provider has taken the order, so that a call which nobody answers is
counted, can be deleted, and gets an end."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from typing import Any

from orchestrator.conversation.silence import seconds_open
from orchestrator.errors import StateConflict, VoiceAgentError
from orchestrator.retrying import until_deadline
from orchestrator.state.base import StateManagerBase

logger = logging.getLogger(__name__)

BEGIN_SECONDS = 2.0


async def begin(states: StateManagerBase, call_sid: str, opening: dict[str, Any]) -> None:
    """Begin the call, or find it begun, and keep it for as long as it may ring.

    Without a store the call goes on, and begins when somebody answers.
    """
    await _tried(call_sid, _begin(states, call_sid, opening))


async def note_answer(states: StateManagerBase, call_sid: str, slots: dict[str, Any]) -> None:
    """Somebody has answered a placed call: add to its slots what is known now, if it has begun and no turn was run."""
    await _tried(call_sid, _note(states, call_sid, slots))


async def _begin(states: StateManagerBase, call_sid: str, opening: dict[str, Any]) -> None:
    state = await until_deadline(lambda: states.create_state(call_sid, **opening), BEGIN_SECONDS)
    if open_for := seconds_open(state):
        await until_deadline(lambda: states.keep_alive([call_sid], open_for), BEGIN_SECONDS)


async def _note(states: StateManagerBase, call_sid: str, slots: dict[str, Any]) -> None:
    state = await until_deadline(lambda: states.get_state(call_sid), BEGIN_SECONDS)
    if state is None or state.turns or state.ended is not None or slots.items() <= state.slots.items():
        return
    with contextlib.suppress(StateConflict):  # a copy of the webhook was quicker, or the call is over
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
