"""`/livez`, `/readyz`, `/health` and `/health/detailed`. Status codes are for machines, bodies for people.

A platform that restarts processes must check `/livez`: it reports on this process alone, so that an outage of Redis
does not restart every ingress. Anybody may request the health in one word. What it is based on, with the versions and
numbers of the system, needs the key of the API.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.settings.redis_url import parse_redis_url
from orchestrator.version import code_version
from web.api.key import admit
from web.health_checks import health_checks_of
from web.ingress import Ingress, ingress_of


async def livez(request: Request) -> Response:
    """Answer 200: this process runs its event loop."""
    return _page({"status": "alive"}, 200)


async def readyz(request: Request) -> Response:
    """Answer 200 if calls can be answered: this process is not draining, Redis answers, and a worker is alive."""
    if ingress_of(request).drain_status.is_draining:
        return _page({"status": "draining"}, 503)
    found = await health_checks_of(request).report()
    return _page({"status": "ready"}, 200) if found.is_ready else _page({"status": "not ready"}, 503)


async def health(request: Request) -> Response:
    """Answer with the health in one word."""
    found = await health_checks_of(request).report()
    return _page({"status": found.status}, found.http_status)


async def detailed(request: Request) -> Response:
    """Answer with the health, its checks, and the versions of the code in this process and in the workers."""
    settings = ingress_of(request).settings
    await admit(request, settings, "read")
    checks = health_checks_of(request)
    found = await checks.report()
    content: dict[str, object] = {
        "status": found.status,
        "version": code_version(settings),
        "worker_versions": await checks.worker_versions(),
        "checks": dict(found.checks),
        "redis": _redis(ingress_of(request)),
    }
    return _page(content, found.http_status)


def _redis(ingress: Ingress) -> dict[str, object] | None:
    """Return which Redis this process uses, without secrets, and the channel on which it receives replies; or None."""
    if not ingress.settings.use_redis:
        return None
    url = parse_redis_url(ingress.settings.effective_redis_url())
    return {"url": str(url), "database": url.db, "listener": ingress.runtime.listener}


def _page(content: dict[str, object], status: int) -> Response:
    return JSONResponse(content, status, headers={"Cache-Control": "no-store"})


routes = [
    Route("/livez", livez),
    Route("/readyz", readyz),
    Route("/health", health),
    Route("/health/detailed", detailed),
]
