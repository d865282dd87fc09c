"""Adds what this process counts to the history: every ten seconds and at exit, in the background."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.history.amounts import Amounts, amounts_of, merged, minute_of
from orchestrator.history.counted import COUNTED
from orchestrator.history.error_lines import error_lines_counted
from orchestrator.history.store import Batch, HistoryStore
from orchestrator.process_metrics import catalog
from orchestrator.process_metrics.changes import Changes
from orchestrator.process_metrics.families import Family
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 10.0
LAST_SECONDS = 1.0
"""How long a process that exits waits for Redis to take its last counts."""
MOST_WAITING = 60
"""Batches that wait while Redis is down; then the oldest is forgotten. Each is of a minute of its own."""

PLAIN: dict[str, Family] = {
    "fillers": catalog.FILLERS, "held": catalog.CALLERS_HELD, "rescues": catalog.CALLS_RESCUED,
    "duplicates": catalog.DUPLICATES_ABSORBED, "dead_letters": catalog.TURNS_DEAD_LETTERED,
}  # fmt: skip
"""Counters of the catalogue that the history has, each as one number, whatever labels it has."""
_NAMES = {family.name: name for name, family in PLAIN.items()}

Sample = Callable[[], Awaitable[Amounts]]
"""Reads what describes the whole system now."""


class Recorder:
    """What this process has counted since it began and the history does not have yet.

    A batch that Redis did not confirm is sent again as it was, so that it counts once. What a process that is killed
    had not sent is lost: the counts of some seconds.
    """

    def __init__(self, store: HistoryStore, sample: Sample | None = None) -> None:
        self._store = store
        self._sample = sample
        self._holder = uuid4().hex
        self._changes = Changes((*COUNTED, *PLAIN.values()))
        self._waiting: deque[Batch] = deque()
        self._number = 0
        self._tried = 0
        """The number of the last batch that was sent: it may be in the history."""
        self.error_lines = 0
        self._told_error_lines = 0

    async def record(self, moment: float) -> None:
        """Add what was counted to the minute of `moment` (Unix seconds). Raise `StoreUnavailable`: then call again."""
        self._collect(minute_of(moment), self._counted())
        if self._sample is not None and await self._store.may_sample(self._holder):
            self._collect(minute_of(moment), await self._sample())
        await self.send()

    async def send(self) -> None:
        """Send what waits. Raise `StoreUnavailable`."""
        while self._waiting:
            batch = self._waiting[0]
            self._tried = batch.number
            await self._store.add(self._holder, batch)
            if self._waiting and self._waiting[0] is batch:
                self._waiting.popleft()

    async def record_last(self, moment: float) -> None:
        """Add what was counted, and sample nothing: the process exits. Raise `StoreUnavailable`."""
        self._collect(minute_of(moment), self._counted())
        await self.send()

    def _counted(self) -> Amounts:
        amounts: Amounts = {}
        for key, amount in self._changes.take().items():
            if (name := _NAMES.get(key.metric)) is not None:
                merged(amounts, {name: amount})
            else:
                merged(amounts, amounts_of({key: amount}))
        if lines := self.error_lines - self._told_error_lines:
            self._told_error_lines += lines
            amounts["errors"] = lines
        return amounts

    def _collect(self, minute: int, amounts: Amounts) -> None:
        if not amounts:
            return
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.minute == minute and last.number > self._tried:
            merged(last.amounts, amounts)
            return
        self._number += 1
        self._waiting.append(Batch(self._number, minute, amounts))
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()


@asynccontextmanager
async def history_recorded(
    store: HistoryStore, sample: Sample | None = None, interval_seconds: float = INTERVAL_SECONDS
) -> AsyncIterator[None]:
    """Add to the history while the block runs, and once more at its end."""
    recorder = Recorder(store, sample)
    with error_lines_counted(recorder):
        recording = asyncio.create_task(_record(recorder, interval_seconds), name="history")
        try:
            yield
        finally:
            await cancel_and_wait(recording)
            await _record_last(recorder)


async def _record(recorder: Recorder, interval: float) -> None:
    while True:
        await asyncio.sleep(interval)
        try:
            await recorder.record(clock.now() - interval / 2)  # the middle of the time in which it was counted
        except (StoreUnavailable, TimeoutError):
            logger.debug("The history has not taken the last counts yet")
        except Exception:
            logger.exception("The history was not recorded; report this", extra={"action": "history.failed"})


async def _record_last(recorder: Recorder) -> None:
    try:
        async with asyncio.timeout(LAST_SECONDS):
            await recorder.record_last(clock.now())
    except (StoreUnavailable, TimeoutError):
        logger.debug("The history has not taken the last counts")
