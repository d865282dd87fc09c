"""Serving the application: uvicorn, bound and drained as the settings say."""

import contextlib
import logging
import math
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
from starlette.applications import Starlette

from orchestrator.settings import Settings
from web.binding import bound_sockets

logger = logging.getLogger(__name__)

MAX_FRAME_BYTES = 64 * 1024  # a prompt is a few hundred
SESSIONS_SHARE = 0.8
KEEP_ALIVE_SECONDS = 75  # longer than the proxies in front keep a connection, so that they close it, not we


class IngressServer(uvicorn.Server):
    """uvicorn's server, but a shutdown by SIGTERM or SIGINT is a success.

    On the signal it stops accepting, lets relay sessions finish what they say (`drain`, which gets the seconds it
    may take), closes idle connections, finishes the requests at hand and returns.
    uvicorn would then raise the signal again, and the process would seem to have been killed.
    """

    drain: Callable[[float], Awaitable[None]] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, and say where."""
        await super().startup(sockets)
        if self.started:
            where = f"http://{self.config.host}:{self._port()}"
            logger.info("Serving calls at %s", where, extra={"action": "web.started"})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain."""
        logger.info("Leaving: the requests at hand are finished first", extra={"action": "web.leaving"})
        await self._drain_sessions()
        await super().shutdown(sockets)

    async def _drain_sessions(self) -> None:
        """Before uvicorn closes every WebSocket at once. What this takes is taken off the time for requests."""
        if self.drain is None:
            return
        for server in self.servers:
            server.close()
        seconds = self.config.timeout_graceful_shutdown or 0
        began = time.monotonic()
        await self.drain(seconds * SESSIONS_SHARE)
        self.config.timeout_graceful_shutdown = max(1, math.floor(seconds - (time.monotonic() - began)))

    def _port(self) -> int:
        bound = [listening.getsockname() for server in self.servers for listening in server.sockets]
        return int(bound[0][1]) if bound else self.config.port

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals while serving."""
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in wanted}
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, action)


async def serve(app: Starlette, settings: Settings) -> None:
    """Bind, open the application, serve until a signal comes, drain, close. Raises `BadSetting`."""
    config = server_config(app, settings)
    sockets = await bound_sockets(config.host, config.port)
    try:
        server = IngressServer(config)
        async with app.router.lifespan_context(app):
            server.drain = app.state.ingress.relay.drain
            await server.serve(sockets)
    finally:
        for opened in sockets:
            opened.close()


def server_config(app: Starlette, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves: all interfaces and the proxy's headers in production, loopback in development.

    uvicorn's own access log is off: it would write the query strings, and with them what callers said.
    """
    trusts_proxy = settings.is_production
    return uvicorn.Config(
        app,
        host=settings.host or ("0.0.0.0" if settings.is_production else "127.0.0.1"),
        port=settings.port,
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,  # it would cost each idle call as much memory as all the rest of it
        lifespan="off",  # `serve` opens the application itself, to hear its errors as they are
        proxy_headers=trusts_proxy,
        forwarded_allow_ips="*" if trusts_proxy else None,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.drain_timeout_seconds),
    )
