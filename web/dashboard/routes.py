"""The routes of the dashboard. Transcripts come from `GET /calls/{call_sid}`, by the same key."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from web.api.endpoint import guarded
from web.dashboard.snapshot import Snapshot
from web.ingress import Ingress
from web.page_file import SAFETY, page_file, page_files

PAGE = page_files("page", __package__)


async def data(ingress: Ingress, request: Request) -> Response:
    """Answer with what the page shows, in JSON."""
    snapshot: Snapshot = request.app.state.dashboard
    return JSONResponse(await snapshot.read(), headers={**SAFETY, "Cache-Control": "no-store"})


routes = [
    Route("/dashboard", page_file("page/index.html", __package__), methods=["GET"]),
    Route("/dashboard/page/{name}", PAGE, methods=["GET"]),
    Route("/dashboard/page/{folder}/{name}", PAGE, methods=["GET"]),
    Route("/dashboard/icon.svg", page_file("icon.svg", __package__), methods=["GET"]),
    Route("/dashboard/data", guarded(data, "read"), methods=["GET"]),
]
