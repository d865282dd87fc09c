"""Looks for calls whose turns wait though nobody holds them, and wakes a worker for each."""

import asyncio
import logging
from random import uniform

from orchestrator.errors import StoreUnavailable
from orchestrator.turns.redis.store import RedisTurnStore

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.25
IDLE_INTERVAL_SECONDS = 0.8
"""While no turn waits or runs. Whoever hands one over has a second before anybody must look after it."""
RENEWAL_GRACE_MS = 1000
"""So long after an outage those who hold leases may take to renew them: twice as long as between two renewals."""


async def rescue_calls(store: RedisTurnStore) -> None:
    """Every worker looks, a little out of step with the others; a call found is not looked at again for a second."""
    while True:
        every = IDLE_INTERVAL_SECONDS if store.is_idle else INTERVAL_SECONDS
        await asyncio.sleep(uniform(0.8, 1.2) * every)
        try:
            rescued = await store.rescue(grace_ms=RENEWAL_GRACE_MS)
        except StoreUnavailable:
            continue  # whoever polls the queue says so already
        except Exception:  # nobody else looks
            logger.exception("Calls that wait could not be looked for; report this", extra={"action": "rescue.failed"})
            continue
        for call_sid in rescued:
            logger.warning(
                "A call's turns waited with nobody at work on them; woke a worker",
                extra={"action": "call.rescued", "call_sid": call_sid},
            )
