"""Finds calls with queued turns and no lease holder, and wakes a worker for each."""

import asyncio
import logging
from random import uniform

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.process_metrics import catalog
from orchestrator.turns.redis.store import RedisTurnStore

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.25
"""A call that is due is found within this time."""
IDLE_INTERVAL_SECONDS = 0.6
"""The interval while no call is due. If nobody looks for `RENEWAL_GRACE_MS`, that is an outage: stay well below."""
RENEWAL_GRACE_MS = 1000
"""After an outage, lease holders have this long to renew: twice the interval between two renewals."""


async def rescue_calls(store: RedisTurnStore) -> None:
    """Search until cancelled, each time when the first call is due: every worker does, a little out of step.

    Skip a call for a second after it was found.
    """
    while True:
        await asyncio.sleep(search_pause(store.call_queue.first_due))
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


def search_pause(first_due: float | None) -> float:
    """Return how long to wait until the next search. `first_due` is when the first call is due (Unix seconds)."""
    longest = uniform(1.0, 1.2) * IDLE_INTERVAL_SECONDS
    if first_due is None:
        return longest
    return min(max(first_due - clock.now() + uniform(0, INTERVAL_SECONDS), 0.8 * INTERVAL_SECONDS), longest)
