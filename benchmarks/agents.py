"""Agents that do nothing, for `AGENT`: what is left is what everything else costs."""

import asyncio
import time
from collections.abc import AsyncIterator

from orchestrator.agents.protocol import Agent, Part
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

TELL_TIME = "tell the time"
HOLD_ON = "hold on"
TELL_STOP = "tell when you were stopped"
TAKE_FIVE_SECONDS = "take five seconds"
TAKE_A_QUARTER = "take a quarter of a second"

_stopped_ns = 0


async def _empty(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Say nothing, unless asked for the time on the machine's own clock (ns), to go on for ever, or when that ended."""
    global _stopped_ns
    if turn.text == TELL_TIME:
        yield str(time.monotonic_ns())
        await asyncio.sleep(0.005)
    elif turn.text == HOLD_ON:
        yield str(time.monotonic_ns())
        try:
            await asyncio.sleep(3600)
        finally:
            _stopped_ns = time.monotonic_ns()
    elif turn.text == TAKE_FIVE_SECONDS:
        await asyncio.sleep(5)
    elif turn.text == TAKE_A_QUARTER:
        await asyncio.sleep(0.25)
    elif turn.text == TELL_STOP:
        yield str(_stopped_ns)


empty = Agent("empty", _empty, isolation="inline")
"""In the worker's own event loop."""
threaded = Agent("threaded", _empty, isolation="thread")
"""In a thread of its own, as a user's agent runs unless it says otherwise."""
