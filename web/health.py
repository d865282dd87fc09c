"""`/livez`, `/readyz`, `/health` and `/health/detailed`. Status codes for machines, bodies for people.

A platform that restarts what is not alive must ask `/livez`: it looks at this process alone, so that an
outage of Redis does not restart every ingress.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from web.ingress import ingress_of
from web.vitals import judge


async def livez(request: Request) -> Response:
    """This process runs its event loop."""
    return _page({"status": "alive"}, 200)


async def readyz(request: Request) -> Response:
    """Calls can be answered: Redis answers, and a worker is alive."""
    found = await judge(ingress_of(request))
    return _page({"status": "ready"}, 200) if found.is_ready else _page({"status": "not ready"}, 503)


async def health(request: Request) -> Response:
    """The judgement in one word."""
    found = await judge(ingress_of(request))
    return _page({"status": found.status}, found.http_status)


async def detailed(request: Request) -> Response:
    """The judgement and what it rests on."""
    found = await judge(ingress_of(request))
    return _page({"status": found.status, "checks": dict(found.checks)}, found.http_status)


def _page(content: dict[str, object], status: int) -> Response:
    return JSONResponse(content, status, headers={"Cache-Control": "no-store"})


routes = [
    Route("/livez", livez),
    Route("/readyz", readyz),
    Route("/health", health),
    Route("/health/detailed", detailed),
]
