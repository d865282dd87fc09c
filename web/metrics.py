"""`/metrics`."""

import math
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.metrics import CONTENT_TYPE, Metrics
from orchestrator.process_metrics import gauges
from web.api.key import admit
from web.connection_limits import ConnectionLimits
from web.health_checks import HealthChecks, health_checks_of
from web.ingress import Ingress, ingress_of
from web.processes.exposition import additive_samples, summed_exposition
from web.processes.link import SupervisorLink


async def metrics(request: Request) -> Response:
    """Answer with the metrics of this process, or of all on this port. What cannot be read now is NaN, never 0."""
    ingress = ingress_of(request)
    await admit(request, ingress.settings, "read")
    await _refresh(ingress.metrics, health_checks_of(request))
    limits: ConnectionLimits | None = getattr(request.app.state, "connection_limits", None)
    known = {**process_gauges(ingress), **({} if limits is None else connection_gauges(limits))}
    link: SupervisorLink | None = getattr(request.app.state, "link", None)
    if link is not None:
        content = await _exposition_of_all(ingress.metrics, known, link)
    else:
        ingress.metrics.known = known
        content = ingress.metrics.exposition()
    return Response(content, headers={"Content-Type": CONTENT_TYPE})


async def _exposition_of_all(metrics: Metrics, known: dict[gauges.Gauge, float], link: SupervisorLink) -> bytes:
    """Return the metrics of all processes on the port. Raise HTTPException 503: a part would look like a reset."""
    try:
        others = await link.gather(additive_samples(metrics), summed_gauges(known))
    except TimeoutError:
        raise HTTPException(503, "The supervisor does not answer: the other processes' metrics are unknown.") from None
    metrics.web_processes(running=others.running, answered=others.answered)
    elsewhere = {gauge: others.gauges.get(gauge.name, 0) for gauge in gauges.SUMMED if gauge in known}
    metrics.known = {gauge: value + elsewhere.get(gauge, 0) for gauge, value in known.items()}
    return summed_exposition(metrics, others.samples)


def process_gauges(ingress: Ingress) -> dict[gauges.Gauge, float]:
    """Return what this process alone knows; nothing where there is no Redis."""
    breaker, local_calls = ingress.runtime.breaker, ingress.runtime.local_calls
    if breaker is None or local_calls is None:
        return {}
    sheds = {gauges.SHEDDING: float(ingress.shedding.longest_wait is not None)} if ingress.shedding.is_on else {}
    return {gauges.BREAKER_OPEN: float(breaker.is_open), gauges.LOCAL_CALLS: float(len(local_calls)), **sheds}


def summed_gauges(known: Mapping[gauges.Gauge, float]) -> dict[str, float]:
    """Return the gauges that are summed over the processes on a port, by name."""
    return {gauge.name: known[gauge] for gauge in gauges.SUMMED if gauge in known}


def connection_gauges(limits: ConnectionLimits) -> dict[gauges.Gauge, float]:
    """Return how much of what connections may take is taken, by all processes on the port."""
    held, limit = limits.count_open() + limits.held_elsewhere, limits.total_of_all
    return {
        gauges.OPEN_CONNECTIONS: float(held),
        gauges.CONNECTION_LIMIT: float(limit),
        gauges.INGRESS_UTILIZATION: min(held / limit, 1.0),
    }


async def _refresh(metrics: Metrics, checks: HealthChecks) -> None:
    metrics.active_calls.set(await checks.active_calls())
    status = await checks.status()
    if status is None:
        return
    if isinstance(status, str) or not status.redis_ok:
        workers = waiting = math.nan
    else:
        workers, waiting = status.workers, status.queue_depth
    metrics.workers.set(workers)
    metrics.queue_depth.set(waiting)


routes = [Route("/metrics", metrics)]
