"""One subscription to a pub/sub channel, which outlives the loss of its connection."""

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from orchestrator import error_logging
from orchestrator.redis.cluster import ClusterPool
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

QUIET_SECONDS = 5.0
"""After this long without a message the connection is pinged, and has as long to answer."""
PAUSE_SECONDS = 0.2
"""The pause before the next connection is made."""


class Subscription:
    """Calls `on_message` with each message's bytes. A context manager: entering waits up to 2 s to be subscribed.

    What is published while there is no connection is lost, as always with pub/sub. `on_gap` is called after each
    such time, so that the owner can read what it may have missed.
    """

    def __init__(
        self,
        redis: Redis,
        channel: str,
        on_message: Callable[[bytes], None],
        on_gap: Callable[[], None] = lambda: None,
    ) -> None:
        pool = redis.connection_pool
        self._pool = pool.broadcasts if isinstance(pool, ClusterPool) else pool
        self._channel = channel
        self._on_message = on_message
        self._on_gap = on_gap
        self._subscribed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None

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
        if self._listening is not None:
            self._subscribed.clear()
            self._listening.cancel()

    async def _keep_listening(self) -> None:
        gap = False
        while True:
            pubsub = PubSub(self._pool)
            self._listening = asyncio.create_task(self._listen(pubsub, gap), name=f"listen on {self._channel}")
            try:
                await asyncio.wait({self._listening})
                if not self._listening.cancelled():
                    await self._listening
            except (RedisError, OSError, TimeoutError) as error:
                logger.debug("The subscription %s was cut: %r", self._channel, error)
            finally:
                await cancel_and_wait(self._listening)
                self._subscribed.clear()
                await _discard(pubsub)
            gap = True
            await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self, pubsub: PubSub, gap: bool) -> None:
        async with asyncio.timeout(QUIET_SECONDS):
            await pubsub.subscribe(self._channel)
        asked = False
        while True:
            message = await pubsub.get_message(timeout=QUIET_SECONDS)
            if message is None:
                if asked:
                    raise TimeoutError("no answer to a ping")
                asked = True
                async with asyncio.timeout(QUIET_SECONDS):
                    await pubsub.ping()
                continue
            asked = False
            if message["type"] == "subscribe":
                self._subscribed.set()
                if gap:
                    self._on_gap()
            elif message["type"] == "message":
                self._deliver(message["data"])

    def _deliver(self, data: bytes) -> None:
        try:
            self._on_message(data)
        except Exception as error:
            message = "A message on %s could not be read (%s); it is ignored"
            error_logging.log(logging.ERROR, logger, message, self._channel, error=error)


async def _discard(pubsub: PubSub) -> None:
    try:
        async with asyncio.timeout(1):
            await pubsub.aclose()  # type: ignore[no-untyped-call]
    except (RedisError, OSError, TimeoutError):
        pass
