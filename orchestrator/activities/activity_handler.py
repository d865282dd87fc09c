"""Carries out activities: runs the function, again if it fails, and submits the turn that brings its result.

It runs at least once: a worker that dies under it leaves it to another. The first result wins, by the turn's id.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from random import uniform
from typing import Any, TypeVar

from orchestrator import clock, error_logging
from orchestrator.activities.activity_threads import ActivityThreads, Ended
from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import BadActivity, StoreUnavailable, TurnRejected
from orchestrator.events.call_events import CALL_ENDED, CallEvents, activity_failure
from orchestrator.events.outbox import Announcement
from orchestrator.process_metrics import catalog
from orchestrator.schedule.item import ActivityItem
from orchestrator.schedule.schedule import Schedule, ScheduledRun
from orchestrator.sensitive_turns.hiding import with_sealed_data
from orchestrator.sensitive_turns.redaction import Redaction
from orchestrator.sensitive_turns.words import words_in
from orchestrator.turns.own_turns import submit_own
from orchestrator.turns.store import TurnStore

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.5
"""Before the first repetition; doubled for each later one, at most to `LONGEST_PAUSE_SECONDS`."""
LONGEST_PAUSE_SECONDS = 60.0
CROWDED_SECONDS = 1.0
"""How long a result waits whose call has no room for one more turn."""
STORE_SECONDS = 0.5
"""How long a result waits while the store is not there."""
MISSING_SECONDS = 60.0
"""For how long workers of other versions leave an activity whose function they do not have."""
MISSING_PAUSE_SECONDS = 0.3
MOST_LOST = 5
"""How often an activity is begun again after it was lost with its worker: it may be what ends the workers."""
WORKER_LOST = "WorkerLost"


class ActivityHandler:
    """An `ItemHandler` for activities; at most `most_at_once` run in this process, whose code is of this `version`.

    `sensitive` is the cipher of sensitive turns.

    A result whose call has no room for one more turn is submitted again after `crowded_seconds`.
    """

    def __init__(
        self,
        schedule: Schedule,
        store: TurnStore,
        threads: ActivityThreads,
        events: CallEvents,
        *,
        most_at_once: int,
        version: str = "",
        sensitive: Cipher | None = None,
        crowded_seconds: float = CROWDED_SECONDS,
    ) -> None:
        self._version = version
        self._sensitive = sensitive
        self._crowded_seconds = crowded_seconds
        self._schedule = schedule
        self._store = store
        self._threads = threads
        self._events = events
        self._most_at_once = most_at_once
        self._running = 0

    @property
    def room(self) -> int:
        """How many more activities may be begun now. What is stuck takes room."""
        return max(0, self._most_at_once - self._running - self._threads.stuck)

    async def carry_out(self, run: ScheduledRun) -> None:
        """Run the activity, then submit its result or have it tried again."""
        item = run.item
        assert isinstance(item, ActivityItem)
        self._running += 1
        try:
            if run.attempt - 1 - run.failures > MOST_LOST:
                await self._finish(run, item, {"error": WORKER_LOST})
            else:
                await self._run(run, item)
        except asyncio.CancelledError as cancelled:
            catalog.ACTIVITIES.inc("cancelled")
            here = {"action": "activity.cancelled", "reason": str(cancelled), **_about(item)}
            logger.info("The activity %s was cancelled here", item.name, extra=here)
            raise
        finally:
            self._running -= 1

    async def _run(self, run: ScheduledRun, item: ActivityItem) -> None:
        began = time.perf_counter()
        started = {"action": "activity.started", "attempt": run.attempt, **_about(item)}
        logger.debug("The activity %s runs", item.name, extra=started)
        try:
            async with asyncio.timeout(item.timeout_seconds):
                ended = await self._threads.run(item)
        except TimeoutError as error:
            ended = Ended(error=error)
        catalog.ACTIVITY_SECONDS.observe(time.perf_counter() - began)
        result = _data_of(ended)
        if ended.is_missing and self._may_be_elsewhere(item):
            await self._leave_to_others(run, item)
        elif "error" not in result:
            await self._finish(run, item, result)
        elif run.failures < item.retries:
            await self._try_again(run, item, ended)
        else:
            self._note_failure(item, ended, "The activity %s failed for good: %s")
            await self._finish(run, item, result)

    async def _finish(self, run: ScheduledRun, item: ActivityItem, data: dict[str, Any]) -> None:
        """Submit the turn with the result, and settle the activity. Its call may be over."""
        turn = Turn(turn_id=item.turn_id, call_sid=item.call_sid, kind="activity", text=item.name, data=data)
        if item.sealed_words and self._sensitive is not None:  # the result may repeat what the arguments did
            turn = with_sealed_data(turn, self._sensitive)
        is_heard = await self._submit(turn)
        dropped = None if is_heard else _dropped(self._events, item)
        if not await _stored(lambda: self._schedule.settle(run, dropped)):
            self._note_lost(item)
        else:
            catalog.ACTIVITIES.inc("dropped" if not is_heard else "failed" if "error" in data else "completed")
            if not is_heard:
                unheard = {"action": "activity.dropped", **_about(item)}
                logger.info("The result of the activity %s is dropped: its call is over", item.name, extra=unheard)

    async def _submit(self, turn: Turn) -> bool:
        """Submit the turn, as soon as its call has room for one more. Return False if the call is over."""
        while True:
            try:
                return await _stored(lambda: submit_own(self._store, turn))
            except TurnRejected:
                await asyncio.sleep(self._crowded_seconds)

    def _may_be_elsewhere(self, item: ActivityItem) -> bool:
        """True if the agent that started it was of other code, whose workers are there, or come back soon."""
        is_of_others = item.worker_version not in ("", self._version)
        return is_of_others and clock.now() - item.due_at.timestamp() < MISSING_SECONDS

    async def _leave_to_others(self, run: ScheduledRun, item: ActivityItem) -> None:
        left = {"action": "activity.left", "version": item.worker_version, **_about(item)}
        logger.info("The activity %s is left to workers of the version that started it", item.name, extra=left)
        await asyncio.sleep(MISSING_PAUSE_SECONDS * uniform(0.8, 1.2))
        await _stored(lambda: self._schedule.release([run]))

    async def _try_again(self, run: ScheduledRun, item: ActivityItem, ended: Ended) -> None:
        pause = min(FIRST_PAUSE_SECONDS * 2**run.failures, LONGEST_PAUSE_SECONDS) * uniform(0.8, 1.2)
        catalog.ACTIVITIES.inc("retried")
        self._note_failure(item, ended, "The activity %s failed and is tried again: %s")
        if not await _stored(lambda: self._schedule.fail(run, clock.now() + pause)):
            self._note_lost(item)

    @staticmethod
    def _note_lost(item: ActivityItem) -> None:
        catalog.ACTIVITIES.inc("lost")
        late = {"action": "activity.lease_lost", **_about(item)}
        logger.info("The activity %s has ended here, but another worker had it by then", item.name, extra=late)

    @staticmethod
    def _note_failure(item: ActivityItem, ended: Ended, message: str) -> None:
        assert ended.error is not None
        extra = {"action": "activity.failed", **_about(item)}
        if isinstance(ended.error, BadActivity):  # which names a function, and nothing of the call
            logger.warning(message, item.name, ended.error, extra=extra)
        else:
            hide = Redaction(words_in(item.args)).text if item.sealed_words else None
            error_logging.log(logging.WARNING, logger, message, item.name, error=ended.error, extra=extra, hide=hide)


async def _stored(write: Callable[[], Awaitable[T]]) -> T:
    """Return what `write` returns once the store is there: for an outage alone, the function is not run again."""
    while True:
        try:
            return await write()
        except StoreUnavailable:
            await asyncio.sleep(STORE_SECONDS)


def _dropped(events: CallEvents, item: ActivityItem) -> Announcement | None:
    """Return what is told of an activity whose call is over; None if nobody wants it."""
    about = activity_failure(item.turn_id, item.name, CALL_ENDED)
    return events.told_later("activity.failed", item.call_sid, item.life, item.whose, about)


def _about(item: ActivityItem) -> dict[str, str]:
    return {"call_sid": item.call_sid, "turn_id": item.turn_id, "activity": item.name}


def _data_of(ended: Ended) -> dict[str, Any]:
    """Return what the turn brings: the result, or the class of what went wrong."""
    return {"result": ended.value} if ended.error is None else {"error": type(ended.error).__name__}
