"""`/metrics`."""

import math

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.metrics import CONTENT_TYPE, Metrics
from web.api.key import check_key
from web.health_checks import HealthChecks, health_checks_of
from web.ingress import ingress_of
from web.processes.exposition import additive_samples, summed_exposition
from web.processes.link import SupervisorLink


async def metrics(request: Request) -> Response:
    """Answer with the metrics of this process, or of all on this port. What cannot be read now is NaN, never 0."""
    ingress = ingress_of(request)
    check_key(request, ingress.settings)
    await _refresh(ingress.metrics, health_checks_of(request))
    link: SupervisorLink | None = getattr(request.app.state, "link", None)
    content = ingress.metrics.exposition() if link is None else await _exposition_of_all(ingress.metrics, link)
    return Response(content, headers={"Content-Type": CONTENT_TYPE})


async def _exposition_of_all(metrics: Metrics, link: SupervisorLink) -> bytes:
    """Return the metrics of all processes on the port. Raise HTTPException 503: a part would look like a reset."""
    try:
        others = await link.gather(additive_samples(metrics))
    except TimeoutError:
        raise HTTPException(503, "The supervisor does not answer: the other processes' metrics are unknown.") from None
    metrics.web_processes(running=others.running, answered=others.answered)
    return summed_exposition(metrics, others.samples)


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
