"""The limit on calls that the API begins."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from orchestrator.errors import CallRefused
from orchestrator.state.base import StateManagerBase


class Capacity:
    """Admits the placed calls of one ingress. `limit` is how many calls may be active in all; None: no limit.

    Calls that are being placed count as well. Each ingress knows its own only, so several at once may exceed the limit
    by what the others are placing at that moment.
    """

    def __init__(self, states: StateManagerBase, limit: int | None) -> None:
        self._states = states
        self._limit = limit
        self._placing = 0
        self._counting = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def reserve(self) -> AsyncIterator[None]:
        """Count the call that is placed in this block. Raise `CallRefused` when there is no room for it, or
        `StoreUnavailable`."""
        if self._limit is None:
            yield
            return
        async with self._counting:
            placing = self._placing  # read before the count: a call that gets its state now is counted twice, not never
            if await self._states.get_active_calls_count() + placing >= self._limit:
                raise CallRefused
            self._placing += 1
        try:
            yield
        finally:
            self._placing -= 1
