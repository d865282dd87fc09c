"""Renews the leases of the running turns: four times per lease in one pipeline, short ones twice as often."""

import asyncio
import itertools
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
    for all_leases in itertools.cycle((False, True)):
        await asyncio.sleep(store.lease_ms / 8000)
        running = [turn for turn in runner.running.values() if all_leases or turn.claim.is_short]
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
            turn.claim.is_short = False
            if turn.claim.lease in lost:
                turn.stop("lost")
