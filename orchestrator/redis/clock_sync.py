"""Keeps the clock of `orchestrator.clock` synchronized with the Redis server's clock."""

import asyncio
import logging
from types import TracebackType

from redis.asyncio import Redis

from orchestrator.clock import SharedClock, process_clock
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import scripts
from orchestrator.redis.cluster import ClusterPool, shards_of
from orchestrator.redis.commands import sender_for
from orchestrator.redis.errors import store_errors
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

READ_EVERY_SECONDS = 10.0
"""A failover may bring a server with another clock."""
RETRY_SECONDS = 1.0
MAX_READING_SECONDS = 0.5
"""A reading that took longer is discarded: the server's time at its end is known too inexactly."""
SKEW_SECONDS = 1.0
"""A larger difference between the two clocks is logged."""


class ClockSync:
    """Reads the server's time when the block is entered, and every `READ_EVERY_SECONDS` while it lasts.

    In a cluster it is the time of the node with the first shard.
    """

    def __init__(self, redis: Redis, clock: SharedClock = process_clock) -> None:
        self._clock = clock
        self._scripts = ScriptRunner(redis)
        self._send = sender_for(redis)
        self._key = shards_of(redis)[0].calls if isinstance(redis.connection_pool, ClusterPool) else None
        self._warned = False

    async def read(self) -> bool:
        """Read the server's time and set the clock by it. Return False if Redis did not answer in time."""
        asked_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                with store_errors():
                    server_time = await self._server_time()
        except (StoreUnavailable, TimeoutError):
            return False
        answered_at = self._clock.monotonic()
        if answered_at - asked_at > MAX_READING_SECONDS:
            return False
        self._clock.synchronize(server_time, asked_at=asked_at, answered_at=answered_at)
        self._warn(self._clock.machine() - server_time)
        return True

    async def _server_time(self) -> float:
        if self._key is None:
            return scripts.seconds(await self._send("TIME"))
        return await self._scripts.run(scripts.server_time(key=self._key))  # a script goes where its key is

    async def __aenter__(self) -> "ClockSync":
        was_read = await self.read()
        self._task = asyncio.create_task(self._keep(was_read), name="clock")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel_and_wait(self._task, seconds=RETRY_SECONDS)

    async def _keep(self, was_read: bool) -> None:
        while True:
            await asyncio.sleep(READ_EVERY_SECONDS if was_read else RETRY_SECONDS)
            was_read = await self.read()

    def _warn(self, ahead: float) -> None:
        if abs(ahead) < SKEW_SECONDS or self._warned:
            return
        self._warned = True
        logger.warning(
            "This machine's clock is %+.1f s ahead of the Redis server's, which counts. Synchronize it: NTP.", ahead,
            extra={"action": "clock.skewed", "seconds": round(ahead, 1)},
        )  # fmt: skip
