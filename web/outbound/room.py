"""Room for one more call that the API begins."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from orchestrator.errors import CallRefused
from orchestrator.state.base import StateManagerBase


class Room:
    """The lines of one ingress's placed calls. `limit` is how many calls may be active in all; None: no limit.

    Orders on their way count as well. Each ingress knows its own only: several at once may exceed the limit by what the
    others are placing at that moment.
    """

    def __init__(self, states: StateManagerBase, limit: int | None) -> None:
        self._states = states
        self._limit = limit
        self._placing = 0
        self._counting = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def line(self) -> AsyncIterator[None]:
        """Keep a line for the call that is placed in this block. Raise `CallRefused` when there is none, or
        `StoreUnavailable`."""
        if self._limit is None:
            yield
            return
        async with self._counting:
            placing = self._placing  # before the count: who has a state by then is counted twice rather than never
            if await self._states.get_active_calls_count() + placing >= self._limit:
                raise CallRefused
            self._placing += 1
        try:
            yield
        finally:
            self._placing -= 1
