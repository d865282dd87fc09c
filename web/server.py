"""Serving the application: uvicorn, bound and drained as the settings say."""

import asyncio
import contextlib
import functools
import logging
import math
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from orchestrator.settings import Settings
from orchestrator.version import code_version
from web.binding import bound_sockets
from web.connection_limits import ConnectionLimits, connection_total
from web.http_protocol import BoundedHttpProtocol
from web.ingress import Ingress
from web.websocket_ping import PingableWebSocket

logger = logging.getLogger(__name__)

MAX_FRAME_BYTES = 64 * 1024  # a prompt is a few hundred
SESSIONS_SHARE = 0.8
TICKS_A_SECOND = 10  # uvicorn's main loop


class IngressServer(uvicorn.Server):
    """uvicorn's server, but a shutdown by SIGTERM or SIGINT is a success.

    On the signal `leaving` is called at once. The server goes on listening for `delay_seconds`, so that a balancer can
    notice; then it stops accepting, lets relay sessions finish what they say (`drain`, which gets the seconds it may
    take), closes idle connections, finishes the requests at hand and returns.
    uvicorn would then raise the signal again, and the process would seem to have been killed.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        limits: ConnectionLimits,
        *,
        version: str = "",
        delay_seconds: float = 0.0,
        leaving: Callable[[], None] | None = None,
        drain: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(config)
        self._limits = limits
        self._version = version
        self._delay_seconds = delay_seconds
        self._leaving = leaving
        self._drain = drain
        self._hurried = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, and say where."""
        await super().startup(sockets)
        if self.started:
            where = f"http://{self.config.host}:{self._port()}"
            extra = {"action": "web.started", "version": self._version}
            logger.info("Serving calls at %s", where, extra=extra)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain."""
        logger.info("Leaving: the requests at hand are finished first", extra={"action": "web.draining"})
        await self._go_on_listening()
        await self._drain_sessions()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to leave; a second one ends the time in which it goes on listening."""
        self._hurried = self.should_exit
        self._limits.leaving = True
        if self._leaving is not None:
            self._leaving()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Also end the connections that take too long, once a second."""
        if counter % TICKS_A_SECOND == 0:
            self._limits.sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def _go_on_listening(self) -> None:
        """Answer as ever for `delay_seconds`; `/readyz` says 503 and answers close their connections meanwhile."""
        until = time.monotonic() + self._delay_seconds
        ticks = 0
        while time.monotonic() < until and not self._hurried:
            await self.on_tick(ticks)
            ticks += 1
            await asyncio.sleep(1 / TICKS_A_SECOND)

    async def _drain_sessions(self) -> None:
        """Before uvicorn closes every WebSocket at once. What this takes is taken off the time for requests."""
        if self._drain is None:
            return
        for server in self.servers:
            server.close()
        seconds = self.config.timeout_graceful_shutdown or 0
        began = time.monotonic()
        await self._drain(seconds * SESSIONS_SHARE)
        self.config.timeout_graceful_shutdown = max(1, math.floor(seconds - (time.monotonic() - began)))

    def _port(self) -> int:
        bound = [listening.getsockname() for server in self.servers for listening in server.sockets]
        return int(bound[0][1]) if bound else self.config.port

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals, and keep them: what is closed after serving is not cut short by a second one."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield


async def serve(app: Starlette, settings: Settings) -> None:
    """Bind, open the application, serve until a signal comes, drain, close. Raises `BadSetting`."""
    limits = ConnectionLimits(
        app.state.metrics,
        total=connection_total(settings.max_connections),
        per_peer=settings.max_connections_per_peer,
    )
    config = server_config(app, settings, limits)
    sockets = await bound_sockets(config.host, config.port)
    try:
        async with app.router.lifespan_context(app):
            ingress: Ingress = app.state.ingress
            server = IngressServer(
                config,
                limits,
                version=code_version(settings),
                delay_seconds=settings.drain_delay_seconds,
                leaving=ingress.drain_status.begin,
                drain=ingress.relay.drain,
            )
            await server.serve(sockets)
    finally:
        for opened in sockets:
            opened.close()


def server_config(app: Starlette, settings: Settings, limits: ConnectionLimits) -> uvicorn.Config:
    """How uvicorn serves: all interfaces and the proxy's headers in production, loopback in development.

    uvicorn's own access log is off: it would write the query strings, and with them what callers said.
    """
    trusts_proxy = settings.is_production
    return uvicorn.Config(
        app,
        host=settings.host or ("0.0.0.0" if settings.is_production else "127.0.0.1"),
        port=settings.port,
        http=functools.partial(BoundedHttpProtocol, limits=limits),  # type: ignore[arg-type]  # called like a class
        ws=PingableWebSocket,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,  # it would cost each idle call as much memory as all the rest of it
        lifespan="off",  # `serve` opens the application itself, to hear its errors as they are
        proxy_headers=trusts_proxy,
        forwarded_allow_ips="*" if trusts_proxy else None,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=math.ceil(settings.drain_timeout_seconds),
    )
