"""Serves the application by uvicorn, and drains it after a signal."""

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

from starlette.applications import Starlette
from uvicorn.config import Config
from uvicorn.server import Server

from orchestrator.settings import Settings
from orchestrator.version import code_version
from web.binding import bound_sockets, listening_host
from web.connection_limits import ConnectionLimits, connection_total
from web.http_protocol import BoundedHttpProtocol
from web.ingress import Ingress
from web.metrics import process_gauges, summed_gauges
from web.processes.exposition import additive_samples
from web.processes.link import SupervisorLink
from web.websocket_ping import PingableWebSocket

logger = logging.getLogger(__name__)

MAX_FRAME_BYTES = 64 * 1024  # a prompt is a few hundred
SESSIONS_SHARE = 0.8
"""The share of the drain timeout that relay sessions get."""
LEAVE_SECONDS = 1.0
"""A connection that was accepted a moment ago has sent no request yet, and one that was kept open may send another."""
TICKS_A_SECOND = 10  # uvicorn's main loop


class IngressServer(Server):
    """uvicorn's server, which exits successfully after SIGTERM or SIGINT.

    On the signal it calls `on_signal` at once. It listens for another `delay_seconds`, so that a balancer can notice.
    Then it stops accepting connections, lets relay sessions finish their replies (`drain`, with the seconds that this
    may take), closes idle connections, finishes running requests and returns.
    uvicorn would then raise the signal again, and the process would seem to have been killed.
    """

    def __init__(
        self,
        config: Config,
        limits: ConnectionLimits,
        *,
        version: str = "",
        delay_seconds: float = 0.0,
        on_signal: Callable[[], None] | None = None,
        drain: Callable[[float], Awaitable[None]] | None = None,
        on_started: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(config)
        self.servers = []
        self._limits = limits
        self._version = version
        self._delay_seconds = delay_seconds
        self._on_signal = on_signal
        self._drain = drain
        self._on_started = on_started
        self._is_second_signal = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and log the address."""
        await super().startup(sockets)
        if self.started:
            where = f"http://{self.config.host}:{self._port()}"
            extra = {"action": "web.started", "version": self._version}
            logger.info("Serving calls at %s", where, extra=extra)
            if self._on_started is not None:
                self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then close what is left."""
        logger.info("Draining: finishing the running requests first", extra={"action": "web.draining"})
        await self._listen_for_delay()
        await self._drain_sessions()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain on the first signal; on the second one, stop listening at once."""
        self._is_second_signal = self.should_exit
        self._limits.leaving = True
        if self._on_signal is not None:
            self._on_signal()
        super().handle_exit(sig, frame)

    def leave(self) -> None:
        """Stop accepting connections at once, and drain: other processes accept them on the port, or nobody does.

        For `LEAVE_SECONDS` the open connections may send requests. Each answer closes its connection.
        """
        for server in self.servers:
            server.close()
        self._delay_seconds = LEAVE_SECONDS
        self._limits.leaving = True
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Also close, once a second, connections that take too long."""
        if counter % TICKS_A_SECOND == 0:
            self._limits.sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def _listen_for_delay(self) -> None:
        """Answer requests for `delay_seconds`. Each answer closes its connection; after a signal `/readyz` is 503."""
        until = time.monotonic() + self._delay_seconds
        ticks = 0
        while time.monotonic() < until and not self._is_second_signal:
            await self.on_tick(ticks)
            ticks += 1
            await asyncio.sleep(1 / TICKS_A_SECOND)

    async def _drain_sessions(self) -> None:
        """Drain the relay sessions before uvicorn closes every WebSocket at once. Requests get the rest of the time."""
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
        """Handle the signals, also after serving: a second one must not interrupt what is closed then."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield


async def serve(app: Starlette, settings: Settings, link: SupervisorLink | None = None) -> None:
    """Bind, open the application, serve until a signal comes, drain, close. Raise `BadSetting`.

    With `link` this is one of several processes: their supervisor has bound the sockets.
    """
    limits = ConnectionLimits(
        app.state.metrics,
        total=connection_total(settings.max_connections),
        total_of_all=None if link is None else settings.max_connections,
        per_peer=settings.max_connections_per_peer,
    )
    config = server_config(app, settings, limits)
    sockets = link.sockets if link is not None else await bound_sockets(config.host, config.port)
    try:
        async with contextlib.AsyncExitStack() as stack:
            if link is not None:
                await stack.enter_async_context(link.connected(limits, app.state.local_access))
                link.read_samples = lambda: additive_samples(app.state.metrics)
                app.state.link = link
            app.state.connection_limits = limits
            await stack.enter_async_context(app.router.lifespan_context(app))
            ingress: Ingress = app.state.ingress
            if link is not None:
                link.read_gauges = lambda: summed_gauges(process_gauges(ingress))
            server = IngressServer(
                config,
                limits,
                version=code_version(settings),
                delay_seconds=settings.drain_delay_seconds,
                on_signal=ingress.drain_status.begin,
                drain=ingress.sessions.drain,
                on_started=None if link is None else link.ready,
            )
            limits.count_open = lambda: len(server.server_state.connections)
            if link is not None:
                link.leave = lambda: _leave(ingress, server)
                link.count_connections = limits.count_open
            await server.serve(sockets)
    finally:
        for opened in sockets:
            opened.close()


def _leave(ingress: Ingress, server: IngressServer) -> None:
    ingress.drain_status.is_leaving = True
    server.leave()


def server_config(app: Starlette, settings: Settings, limits: ConnectionLimits) -> Config:
    """Return uvicorn's configuration: all interfaces and the proxy's headers in production, loopback in development.

    uvicorn's own access log is off: it would write the query strings, and with them what callers said.
    """
    trusts_proxy = settings.is_production
    return Config(
        app,
        host=listening_host(settings),
        port=settings.port,
        http=functools.partial(BoundedHttpProtocol, limits=limits),  # type: ignore[arg-type]  # called like a class
        ws=PingableWebSocket,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,  # it would double the memory of an idle call
        lifespan="off",  # `serve` opens the application itself: uvicorn would wrap its errors
        proxy_headers=trusts_proxy,
        forwarded_allow_ips="*" if trusts_proxy else None,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=math.ceil(settings.drain_timeout_seconds),
    )
