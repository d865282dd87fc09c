"""Keeps the leases of the running turns: one pipelined call, a few times per lease."""

import asyncio
import logging

from orchestrator.errors import StoreUnavailable
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.runner import TurnRunner

logger = logging.getLogger(__name__)


async def renew_leases(store: RedisTurnStore, runner: TurnRunner) -> None:
    """Renew for ever; a turn whose lease is lost is stopped. Redis being away stops nothing: an expired lease is
    still ours until somebody else is granted it."""
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
        except Exception:  # without this task every turn of the worker would be another's in two seconds
            logger.exception("Leases could not be renewed; report this", extra={"action": "leases.failed"})
            continue
        if not reachable:
            logger.info("Leases are renewed again", extra={"action": "leases.redis_up"})
        reachable = True
        for turn in running:
            if turn.claim.lease in lost:
                turn.stop("lost")
