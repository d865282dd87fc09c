"""Headers of every answer whose route does not set them."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DEFAULTS = (
    (b"cache-control", b"no-store"),  # no cache may keep what callers say
    (b"x-content-type-options", b"nosniff"),
)


class DefaultHeadersMiddleware:
    """ASGI middleware: adds the default headers that an answer lacks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def completing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                present = {name.lower() for name, _ in headers}
                headers.extend(default for default in _DEFAULTS if default[0] not in present)
            await send(message)

        await self._app(scope, receive, completing_send)
