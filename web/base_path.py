"""The path of `PUBLIC_BASE_URL`: requests come with it or without, as the proxy in front takes it off or leaves it."""

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send


class BasePathMiddleware:
    """ASGI layer: takes the path `base` (percent-encoded, without a slash at its end) off every request that has it."""

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
        """What is left of the path as it was sent, whichever characters the proxy has encoded."""
        if raw.startswith(self._raw + b"/"):
            return raw.removeprefix(self._raw)
        segments = raw.split(b"/")
        return b"/".join([b"", *segments[self._raw.count(b"/") + 1 :]])
