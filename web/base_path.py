"""The path of `PUBLIC_BASE_URL`. Requests come with it or without it, as the proxy in front keeps or removes it."""

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send


class BasePathMiddleware:
    """ASGI middleware: removes the path `base` (percent-encoded, no trailing slash) from requests that have it."""

    def __init__(self, app: ASGIApp, base: str) -> None:
        self._app = app
        self._path = unquote(base)
        self._raw = base.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as if it had come to the root."""
        if scope["type"] in ("http", "websocket") and scope["path"].startswith(self._path + "/"):
            raw: bytes = scope.get("raw_path") or b""
            scope = {**scope, "path": scope["path"].removeprefix(self._path), "raw_path": self._rest(raw)}
        await self._app(scope, receive, send)

    def _rest(self, raw: bytes) -> bytes:
        """Return the rest of the path as it was sent, whichever characters of `base` the proxy has encoded."""
        if raw.startswith(self._raw + b"/"):
            return raw.removeprefix(self._raw)
        segments = raw.split(b"/")
        return b"/".join([b"", *segments[self._raw.count(b"/") + 1 :]])
