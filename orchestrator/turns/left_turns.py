"""Returns to the store the turns that a process has claimed and does not answer."""

import logging

from orchestrator.process_metrics import catalog
from orchestrator.turns.retrying_store import RetryingStore
from orchestrator.turns.running_turn import Left, RunningTurn

logger = logging.getLogger(__name__)

UNKNOWN_AGENT_SECONDS = 0.3
"""How long a turn waits for a worker that knows its agent."""


async def leave(store: RetryingStore, running: RunningTurn, left: Left) -> None:
    """Return a turn to the store without a result."""
    claim = running.claim
    running.span.left(left.reason)
    about = {"call_sid": claim.lease.call_sid, "turn_id": claim.turn.turn_id}
    match left.reason:
        case "unreadable":
            await store.retry_later(claim)
        case "key_missing":
            await store.retry_later(claim, is_attempt=False)
        case "unknown_agent":
            await store.retry_later(claim, UNKNOWN_AGENT_SECONDS)
        case "process_lost":  # perhaps by the fault of another turn, but that was an attempt
            logger.warning(
                "The process that ran a turn was lost; the turn is tried again, apart from the others",
                extra={"action": "turn.tried_apart", "attempt": claim.attempt} | about,
            )
            await store.retry_later(claim, 0)
        case reason:
            action = "turn.lease_lost" if reason == "lost" else "turn.released"
            catalog.LEASES_LOST.inc(by=reason == "lost")
            logger.warning("A turn was left to another worker", extra={"action": action} | about)
            await store.release(claim)
