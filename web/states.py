"""Reads many states, a bounded number at a time."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from orchestrator.conversation.state import ConversationState
from orchestrator.errors import UnreadableState
from orchestrator.state.base import StateManagerBase

READERS = 16


async def read_states(states: StateManagerBase, call_sids: Iterable[str]) -> list[ConversationState]:
    """Return the existing states of these calls, in no order, without those that cannot be read.

    Raise `StoreUnavailable`.
    """
    waiting = iter(call_sids)
    found: list[ConversationState] = []

    async def reader() -> None:
        for call_sid in waiting:
            with suppress(UnreadableState):  # one such call must not hide the others
                if (state := await states.get_state(call_sid)) is not None:
                    found.append(state)

    readers = [asyncio.ensure_future(reader()) for _ in range(READERS)]
    try:
        await asyncio.gather(*readers)
    finally:
        for task in readers:
            task.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    return found
