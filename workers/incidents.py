"""A worker's part in incidents: it looks for lost processes, tells its own troubles, and notes which calls noticed."""

import os
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from orchestrator import clock
from orchestrator.incidents.incident import ProcessName, Report
from orchestrator.incidents.process_incidents import ProcessIncidents
from orchestrator.incidents.redis.incident_log import RedisIncidentLog
from orchestrator.incidents.redis.turn_holder import ingress_that_had
from orchestrator.processes.redis.reports import read_reports
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.redis.store import RedisTurnStore
from workers.claim_health import ClaimHealth

WATCH_SECONDS = 15.0
"""A worker looks three times less often than an ingress: it only matters while no ingress lives, and nobody looks."""


async def watch_incidents(
    store: RedisTurnStore,
    states: StateManagerBase,
    claim_health: ClaimHealth,
    holder: str,
    version: str,
    stack: AsyncExitStack,
) -> ProcessIncidents:
    """Watch until `stack` is closed. Return what notes which calls noticed something."""
    name = ProcessName(holder, "worker", socket.gethostname(), os.getpid(), version)
    incidents = ProcessIncidents(
        RedisIncidentLog(store.redis),
        partial(read_reports, store.redis),
        store.is_erased,
        states.get_state,
        partial(ingress_that_had, store.redis),
        watch_seconds=WATCH_SECONDS,
    )
    await stack.enter_async_context(incidents.watching(lambda: name, is_unable=lambda: claim_health.cannot_claim))
    return incidents


def rollback_teller(incidents: ProcessIncidents) -> Callable[[int, str], None]:
    """Return what reports that the plan with this revision ended a ramp, and why."""

    def tell(revision: int, told: str) -> None:
        incidents.tell(Report(f"rollback:{revision}", "rollback", clock.now(), None, None, told))

    return tell
