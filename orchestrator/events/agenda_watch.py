"""Finds the calls whose events are to be delivered or whose end is to be written, and hands them to the deliverer."""

import asyncio
import logging
from random import uniform

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.events.delivery import Deliverer
from orchestrator.events.outbox import Outbox

logger = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
"""The interval while no call is due."""
BUSY_SECONDS = 0.2
"""The interval while calls are due."""
BACKLOG_SECONDS = 0.04
"""The interval while more calls are due than there is room for."""


async def watch_agenda(outbox: Outbox, deliverer: Deliverer) -> None:
    """Look until cancelled, each time when the first call is due: every process that delivers does."""
    has_backlog = False
    while True:
        await asyncio.sleep(BACKLOG_SECONDS if has_backlog else watch_pause(outbox.first_due))
        if not deliverer.has_room:
            continue
        room = deliverer.room
        has_backlog = False
        try:
            due = await outbox.due(room)
        except StoreUnavailable:
            continue  # others log the outage
        except Exception:  # this task must not end: else nothing is delivered again after a failure
            logger.exception("The search for undelivered events failed; report this", extra={"action": "event.failed"})
            continue
        has_backlog = len(due) == room
        for call_sid in due:
            deliverer.look(call_sid)


def watch_pause(first_due: float | None) -> float:
    """Return how long to wait until the next look. `first_due` is when the first call is due (Unix seconds)."""
    longest = uniform(1.0, 1.2) * IDLE_SECONDS
    if first_due is None:
        return longest
    return min(max(first_due - clock.now(), 0.0) + uniform(0.8, 1.2) * BUSY_SECONDS, longest)
