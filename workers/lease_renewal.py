"""Renews the leases of the running turns: one pipeline, four times per lease."""

import asyncio
import logging

from orchestrator.errors import StoreUnavailable
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.runner import TurnRunner

logger = logging.getLogger(__name__)


async def renew_leases(store: RedisTurnStore, runner: TurnRunner) -> None:
    """Renew until cancelled, and stop a turn whose lease is lost.

    While Redis is down no turn is stopped: an expired lease is valid until another worker is granted one.
    """
    reachable = True
    while True:
        await asyncio.sleep(store.lease_ms / 4000)
        running = list(runner.running.values())
        if not running:
            continue
        try:
            lost = await store.renew([turn.claim.lease for turn in running])
        except StoreUnavailable as error:
            if reachable:
                logger.warning("Leases cannot be renewed: %s", error, extra={"action": "leases.redis_down"})
            reachable = False
            continue
        except Exception:  # without this task, other workers would claim every turn of this one within two seconds
            logger.exception("Leases could not be renewed; report this", extra={"action": "leases.failed"})
            continue
        if not reachable:
            logger.info("Leases are renewed again", extra={"action": "leases.redis_up"})
        reachable = True
        for turn in running:
            if turn.claim.lease in lost:
                turn.stop("lost")
