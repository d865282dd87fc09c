"""Serves the files of pages, which lie in their packages. Their hashes are the ETags."""

import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from web.api.key import check_key
from web.ingress import ingress_of

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

# No external resources, nothing inline, no frames, and no string becomes markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
SAFETY = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def page_file(name: str, package: str) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that serves the file `name` of a package.

    The files hold nothing about calls. So with a key anybody may request them: the page asks for the key, and
    only its requests for data carry it. Without a key the files are as closed as the API.
    """
    content = (files(package) / name).read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    kind = f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8"
    headers = {**SAFETY, "Cache-Control": "no-cache", "ETag": tag}

    async def endpoint(request: Request) -> Response:
        settings = ingress_of(request).settings
        if not settings.has_api_key:
            check_key(request, settings, "read")
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers={**headers, "Content-Type": kind})

    return endpoint
