"""One subscription to a pub/sub channel, which outlives the loss of its connection.

redis-py's PubSub takes more than 100 µs for a message, most of them for timeouts and tasks. Here a message goes from
the socket to its handler in one call.
"""

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any

import hiredis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator import error_logging
from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.resp_protocol import RespProtocol, discard
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

QUIET_SECONDS = 5.0
"""After this long without a byte the connection is pinged, and has as long to answer."""
PAUSE_SECONDS = 0.2
"""The pause before the next connection is made."""
_PING = hiredis.pack_command(("PING",))


class Subscription:
    """Calls `on_message` with each message's bytes. A context manager: entering waits up to 2 s to be subscribed.

    What is published while there is no connection is lost, as always with pub/sub. `on_gap` is called after each
    such time, so that the owner can read what it may have missed; `on_lost` as soon as it begins.
    """

    def __init__(
        self,
        redis: Redis,
        channel: str,
        on_message: Callable[[bytes], None],
        on_gap: Callable[[], None] = lambda: None,
        *,
        on_lost: Callable[[], None] = lambda: None,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        pool = redis.connection_pool
        self._pool = pool.broadcasts if isinstance(pool, ClusterPool) else pool
        self._channel = channel
        self._on_message = on_message
        self._on_gap = on_gap
        self._on_lost = on_lost
        self._quiet_seconds = quiet_seconds
        self._subscribed = asyncio.Event()
        self._channel_connection: _ChannelConnection | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """True while the channel is subscribed to."""
        return self._subscribed.is_set()

    async def __aenter__(self) -> "Subscription":
        self._task = asyncio.create_task(self._keep_listening(), name=f"subscription {self._channel}")
        waiting = asyncio.ensure_future(self._subscribed.wait())
        await asyncio.wait({waiting}, timeout=2)
        waiting.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel_and_wait(self._task)

    def reconnect(self) -> None:
        """Make a new connection, because a message is known to have been lost on this one."""
        if self._channel_connection is not None:
            self._subscribed.clear()
            self._on_lost()
            self._channel_connection.leave()

    async def _keep_listening(self) -> None:
        gap = False
        while True:
            try:
                await self._listen(gap)
            except (RedisError, OSError, TimeoutError) as error:
                logger.debug("The subscription %s was cut: %r", self._channel, error)
                if self._subscribed.is_set():
                    self._on_lost()
            finally:
                self._subscribed.clear()
            gap = True
            await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self, gap: bool) -> None:
        """Listen over one connection until it is lost. Raise why."""
        async with asyncio.timeout(self._quiet_seconds):
            connection = await self._pool.get_connection()

        def on_subscribed() -> None:
            self._subscribed.set()
            if gap:
                self._on_gap()

        try:
            self._channel_connection = _ChannelConnection(
                connection, self._channel, on_subscribed, self._deliver, self._quiet_seconds
            )
            await self._channel_connection.lost
        finally:
            if self._channel_connection is not None:
                self._channel_connection.leave()
                self._channel_connection = None
            await _discard(self._pool, connection)

    def _deliver(self, data: bytes) -> None:
        try:
            self._on_message(data)
        except Exception as error:
            message = "A message on %s could not be read (%s); it is ignored"
            error_logging.log(logging.ERROR, logger, message, self._channel, error=error)


class _ChannelConnection(RespProtocol):
    """A connection that is subscribed to one channel, and pinged while nothing comes. `lost` raises why it ended."""

    def __init__(
        self,
        connection: Any,
        channel: str,
        on_subscribed: Callable[[], None],
        on_message: Callable[[bytes], None],
        quiet_seconds: float,
    ) -> None:
        super().__init__(connection)
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._on_subscribed = on_subscribed
        self._on_message = on_message
        self._quiet_seconds = quiet_seconds
        self._heard_at = self._loop.time()
        self._was_asked = False
        self._timer = self._loop.call_later(quiet_seconds, self._check_quiet)
        subscribe: Any = ("SUBSCRIBE", channel)
        self._transport.write(hiredis.pack_command(subscribe))

    def data_received(self, data: bytes) -> None:
        """Deliver the messages that are complete; whatever came proves that the server lives."""
        self._heard_at, self._was_asked = self._loop.time(), False
        super().data_received(data)

    def _received(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self._fail(answer)
        elif answer[0] == b"message":
            self._on_message(answer[2])
        elif answer[0] == b"subscribe":
            self._on_subscribed()

    def _check_quiet(self) -> None:
        """Ping a connection that has been quiet, or leave one that did not answer."""
        now = self._loop.time()
        due = self._heard_at + self._quiet_seconds
        if now >= due:
            if self._was_asked:
                self._fail(TimeoutError("no answer to a ping"))
                return
            self._was_asked = True
            self._transport.write(_PING)
            due = now + self._quiet_seconds
        self._timer = self._loop.call_at(due, self._check_quiet)

    def leave(self) -> None:
        """Close the connection."""
        self._fail(ConnectionError("left"))

    def _fail(self, error: Exception) -> None:
        self._timer.cancel()
        if not self.lost.done():
            self.lost.set_exception(error)
        self._transport.abort()


async def _discard(pool: Any, connection: Any) -> None:
    try:
        async with asyncio.timeout(1):
            await discard(pool, connection)
    except (RedisError, OSError, TimeoutError):
        pass
