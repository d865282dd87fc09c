"""`/livez`, `/readyz`, `/health` and `/health/detailed`. Status codes for machines, bodies for people.

A platform that restarts what is not alive must ask `/livez`: it looks at this process alone, so that an
outage of Redis does not restart every ingress. Strangers may ask for one word; what it rests on, with the versions and
figures of the system, is for those who may use the API.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.settings.redis_url import parse_redis_url
from orchestrator.version import code_version
from web.api.key import check_key
from web.health_checks import health_checks_of
from web.ingress import Ingress, ingress_of


async def livez(request: Request) -> Response:
    """This process runs its event loop."""
    return _page({"status": "alive"}, 200)


async def readyz(request: Request) -> Response:
    """Calls can be answered: this process stays, Redis answers, and a worker is alive."""
    if ingress_of(request).drain_status.is_draining:
        return _page({"status": "draining"}, 503)
    found = await health_checks_of(request).report()
    return _page({"status": "ready"}, 200) if found.is_ready else _page({"status": "not ready"}, 503)


async def health(request: Request) -> Response:
    """The judgement in one word."""
    found = await health_checks_of(request).report()
    return _page({"status": found.status}, found.http_status)


async def detailed(request: Request) -> Response:
    """The judgement, what it rests on, and the versions of the code that run here and in the workers."""
    settings = ingress_of(request).settings
    check_key(request, settings)
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
    """Which Redis this process uses, without secrets, and on which channel it hears replies there; None without one."""
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
