"""`/metrics`, and the middleware that counts every HTTP answer."""

import logging
import math
import time
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.metrics import CONTENT_TYPE, Metrics
from web.api.key import check_key
from web.health_checks import HealthChecks, health_checks_of
from web.ingress import ingress_of
from web.processes.exposition import additive_samples, summed_exposition
from web.processes.link import SupervisorLink

logger = logging.getLogger(__name__)

UNMATCHED = "unmatched"


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


class RequestCountMiddleware:
    """ASGI middleware: counts answers by route template and status, and logs each at DEBUG without its query."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._metrics = metrics
        self._templates = {id(route.endpoint): route.path for route in routes if isinstance(route, Route)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def counting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counting_send)
        finally:
            self._count(scope, status, time.perf_counter() - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = self._templates.get(id(scope.get("endpoint")), UNMATCHED)
        self._metrics.request_answered(route=route, status=status)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "Request answered",
                extra={
                    "action": "http.answered",
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "seconds": round(seconds, 4),
                },
            )


routes = [Route("/metrics", metrics)]
