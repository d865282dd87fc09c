"""So many callers at once, for as long as wanted: who has ended a call makes the next."""

import asyncio
from collections.abc import Callable

from orchestrator.load.callers import Caller
from orchestrator.load.results import CallResults
from orchestrator.tasks import cancel_and_wait

BETWEEN_SECONDS = 0.3
"""Between a caller's calls, and between the first calls of one caller and the next."""


class RepeatedCalls:
    """`callers` callers. `new_caller` returns who makes the next call."""

    def __init__(self, new_caller: Callable[[], Caller], callers: int, results: CallResults) -> None:
        self._new_caller = new_caller
        self._callers = callers
        self._results = results
        self._finishing = asyncio.Event()
        self._live: set[Caller] = set()

    def finish(self) -> None:
        """Begin no more calls; those that are live come to their end."""
        self._finishing.set()

    def hang_up(self) -> None:
        """End all calls now."""
        self.finish()
        for caller in self._live:
            caller.hang_up()

    async def run(self) -> None:
        """Call until all have finished. Raise what a caller raises. Cancellation drops the calls."""
        tasks = [asyncio.create_task(self._call_repeatedly(number)) for number in range(self._callers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            await cancel_and_wait(*tasks)

    async def _call_repeatedly(self, number: int) -> None:
        await self._finishes_within(number * BETWEEN_SECONDS / self._callers)
        while not await self._finishes_within(BETWEEN_SECONDS):
            caller = self._new_caller()
            self._live.add(caller)
            self._results.live += 1
            try:
                await caller.call()
            finally:
                self._results.live -= 1
                self._live.discard(caller)

    async def _finishes_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._finishing.wait()
        except TimeoutError:
            return False
        return True
