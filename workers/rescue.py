"""Finds calls with queued turns and no lease holder, and wakes a worker for each."""

import asyncio
import logging
from random import uniform

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.process_metrics import catalog
from orchestrator.turns.redis.due_watch import DueWatch
from orchestrator.turns.redis.store import RedisTurnStore

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.25
"""A call that is due is found within this time."""
IDLE_INTERVAL_SECONDS = 0.6
"""The interval between two answers of Redis while no call is due. If it is silent for `RENEWAL_GRACE_MS`, that is an
outage: stay well below. Twice this is a little more than the shortest time after which a new call can be due."""
RENEWAL_GRACE_MS = 1000
"""After an outage, lease holders have this long to renew: twice the interval between two renewals."""


async def rescue_calls(store: RedisTurnStore) -> None:
    """Search until cancelled, each time when the first call is due: every worker does, a little out of step.

    Skip a call for a second after it was found.
    """
    while True:
        await _pause(store.call_queue.watch)
        try:
            rescued = await store.call_queue.rescue(grace_ms=RENEWAL_GRACE_MS)
        except StoreUnavailable:
            continue  # the worker's loop logs the outage
        except Exception:  # this task must not end: no other one searches
            logger.exception("The search for queued turns failed; report this", extra={"action": "rescue.failed"})
            continue
        for call_sid in rescued:
            catalog.CALLS_RESCUED.inc()
            logger.warning(
                "Turns were queued with no lease holder; woke a worker",
                extra={"action": "call.rescued", "call_sid": call_sid},
            )


async def _pause(watch: DueWatch) -> None:
    pause = search_pause(watch.first)
    await asyncio.sleep(pause)
    await asyncio.sleep(second_pause(watch.first, pause, watch.seconds_since_answer()))


def second_pause(first_due: float | None, pause: float, answered_ago: float) -> float:
    """Return for how long the next search is put off after its `pause`: 0 if a call is due, or nothing was answered.

    While no call is due, a search shows little more than that Redis answers, which another command may have shown
    meanwhile.
    """
    return max(pause - answered_ago, 0.0) if first_due is None else 0.0


def search_pause(first_due: float | None) -> float:
    """Return how long to wait until the next search. `first_due` is when the first call is due (Unix seconds)."""
    longest = uniform(1.0, 1.05) * IDLE_INTERVAL_SECONDS
    if first_due is None:
        return longest
    return min(max(first_due - clock.now() + uniform(0, INTERVAL_SECONDS), 0.8 * INTERVAL_SECONDS), longest)
