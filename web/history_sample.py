"""What the history is told of the whole system: by one ingress of all, each half minute."""

import math

from orchestrator.errors import StoreUnavailable
from orchestrator.history.amounts import Amounts
from orchestrator.history.points import sample_of
from orchestrator.process_metrics import gauges
from web.fleet_metrics import worker_gauges
from web.health_checks import HealthChecks
from web.ingress import Ingress


async def sample(ingress: Ingress, checks: HealthChecks) -> Amounts:
    """Return what can be read now. What cannot be is left out."""
    active = await checks.active_calls()
    known = None if math.isnan(active) else active
    status = await checks.status()
    if status is None or isinstance(status, str) or not status.redis_ok:
        return sample_of(active=known)
    try:
        workers = await ingress.runtime.workers() or []
    except StoreUnavailable:
        workers = []
    return sample_of(
        active=known,
        workers=status.workers,
        queue_depth=status.queue_depth,
        oldest_wait_seconds=status.oldest_wait_seconds,
        utilization=worker_gauges(workers).get(gauges.WORKER_UTILIZATION, {}).get(()),
    )
