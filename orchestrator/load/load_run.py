"""All calls of one load: begun by a schedule, counted while they last, ended early when asked to."""

import asyncio
from collections.abc import Callable, Iterable

from orchestrator.load.callers import Caller
from orchestrator.load.results import CallResults
from orchestrator.tasks import cancel_and_wait

HANG_UP_SECONDS = 10.0


class LoadRun:
    """Makes the calls. `new_caller` returns the caller of the next one."""

    def __init__(self, new_caller: Callable[[], Caller], pauses: Iterable[float], results: CallResults) -> None:
        self._new_caller = new_caller
        self._pauses = pauses
        self._results = results
        self._stopped = asyncio.Event()
        self._callers: set[Caller] = set()

    @property
    def is_stopped(self) -> bool:
        """True if it was ended early."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Begin no more calls, and have all callers hang up."""
        self._stopped.set()
        for caller in self._callers:
            caller.hang_up()

    async def run(self) -> None:
        """Make all calls. Return when the last has ended, or soon after `stop`."""
        calls: set[asyncio.Task[None]] = set()
        try:
            for pause in self._pauses:
                if await self._stopped_within(pause):
                    break
                calls.add(asyncio.create_task(self._call(self._new_caller())))
            await self._until_over(calls)
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        for call in calls:
            if not call.cancelled() and (error := call.exception()) is not None:
                raise error

    async def _call(self, caller: Caller) -> None:
        self._callers.add(caller)
        self._results.live += 1
        try:
            await caller.call()
        finally:
            self._results.live -= 1
            self._callers.discard(caller)

    async def _stopped_within(self, seconds: float) -> bool:
        if seconds > 0 and not self._stopped.is_set():
            try:
                await asyncio.wait_for(self._stopped.wait(), seconds)
            except TimeoutError:
                return False
        return self._stopped.is_set()

    async def _until_over(self, calls: set[asyncio.Task[None]]) -> None:
        """Wait for all calls; once stopped, with a deadline."""
        stopping = asyncio.create_task(self._stopped.wait())
        ending = asyncio.create_task(_all(calls))
        await asyncio.wait({stopping, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            await asyncio.wait({ending}, timeout=HANG_UP_SECONDS)
        await cancel_and_wait(stopping, ending)


async def _all(calls: set[asyncio.Task[None]]) -> None:
    if calls:
        await asyncio.wait(calls)
