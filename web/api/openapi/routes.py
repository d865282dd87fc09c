"""Serves the description: `/openapi.json` for machines, `/docs` for people."""

import asyncio
import json
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.api_keys.key import Scope
from orchestrator.settings import Settings
from orchestrator.version import code_version
from web.api.key import check_key
from web.api.routes import SCOPES
from web.ingress import ingress_of
from web.page_file import SAFETY, page_file

API_VERSION = "1"
"""Of the API. A server tells the version of its code instead."""
ANY_CHANGE = "/rollout/{command}"
DETAILED_HEALTH = ("GET", "/health/detailed")


def scope_of(method: str, path: str) -> Scope | None:
    """Return the scope that a method of a path needs; None for what anybody may ask."""
    if (method, path) == DETAILED_HEALTH:
        return "read"
    return SCOPES.get((method, ANY_CHANGE if path.startswith("/rollout/") else path))


def as_file() -> str:
    """Return the document as docs/openapi.json has it, which belongs to no build of the code."""
    return json.dumps(_openapi(API_VERSION), indent=2) + "\n"


def _openapi(version: str, server: str = "/") -> dict[str, Any]:
    from web.api.openapi.document import openapi  # imported late: 60 models, which only who asks for it needs

    return openapi(version, scope_of, server)


@lru_cache(maxsize=4)
def _described(version: str, server: str) -> tuple[bytes, bytes]:
    from web.api.openapi.page import page_of  # imported late, as the document

    document = _openapi(version, server)
    return json.dumps(document, indent=2).encode() + b"\n", page_of(document).encode()


async def _of(settings: Settings) -> tuple[bytes, bytes]:
    """Return both. The first time they are made, which takes a while: no call waits for it."""
    return await asyncio.to_thread(_described, code_version(settings), settings.base_path or "/")


async def document(request: Request) -> Response:
    """Answer with the OpenAPI document."""
    described, _ = await _of(_open_to(request))
    return Response(described, headers={**SAFETY, "Cache-Control": "no-cache"}, media_type="application/json")


async def page(request: Request) -> Response:
    """Answer with the same as a page."""
    _, shown = await _of(_open_to(request))
    return Response(shown, headers={**SAFETY, "Cache-Control": "no-cache"}, media_type="text/html")


def _open_to(request: Request) -> Settings:
    """Return the settings. The description says nothing of calls: it is closed only where the API is."""
    settings = ingress_of(request).settings
    if not settings.has_api_key:
        check_key(request, settings, "read")
    return settings


routes = [
    Route("/openapi.json", document, methods=["GET"]),
    Route("/docs", page, methods=["GET"]),
    Route("/docs/page.css", page_file("page.css", __package__), methods=["GET"]),
]
