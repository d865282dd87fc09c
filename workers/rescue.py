"""Finds calls with queued turns and no lease holder, and wakes a worker for each."""

import asyncio
import logging
from random import uniform

from orchestrator.errors import StoreUnavailable
from orchestrator.turns.redis.store import RedisTurnStore

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.25
IDLE_INTERVAL_SECONDS = 0.8
"""The interval while no turn is queued or runs. A turn that is submitted then needs no rescue for the first second."""
RENEWAL_GRACE_MS = 1000
"""After an outage, lease holders have this long to renew: twice the interval between two renewals."""


async def rescue_calls(store: RedisTurnStore) -> None:
    """Search until cancelled, at varying intervals: every worker does. Skip a call for a second after it was found."""
    while True:
        every = IDLE_INTERVAL_SECONDS if store.call_queue.is_idle else INTERVAL_SECONDS
        await asyncio.sleep(uniform(0.8, 1.2) * every)
        try:
            rescued = await store.call_queue.rescue(grace_ms=RENEWAL_GRACE_MS)
        except StoreUnavailable:
            continue  # the worker's loop logs the outage
        except Exception:  # this task must not end: no other one searches
            logger.exception("The search for queued turns failed; report this", extra={"action": "rescue.failed"})
            continue
        for call_sid in rescued:
            logger.warning(
                "Turns were queued with no lease holder; woke a worker",
                extra={"action": "call.rescued", "call_sid": call_sid},
            )
