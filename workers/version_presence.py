"""Says that a worker takes calls that are pinned to its version. While nobody says so, such calls are anyone's."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from orchestrator import clock
from orchestrator.errors import StoreFull, StoreUnavailable
from orchestrator.redis.keys import ShardKeys
from orchestrator.turns.redis.queue_scripts import keep_version, leave_version
from orchestrator.turns.redis.store import RedisTurnStore

T = TypeVar("T")

logger = logging.getLogger(__name__)

EVERY_SECONDS = 1.2
"""Twice the interval between two answers of Redis that the rescue needs: every other one is to this."""
REWRITE_SECONDS = 3600.0
"""How often a worker also renews the time to live of what it writes: that is a day."""
LIFE_MS = 3500
"""How long after its last word a worker counts as one of its version: one word may get lost, and the next come late."""


class VersionPresence:
    """Keeps the worker `holder` among those of `version`, in each shard of `store`."""

    def __init__(self, store: RedisTurnStore, holder: str, version: str) -> None:
        self._store = store
        self._holder = holder
        self._version = version
        self._has_left = False
        self._rewritten_at = -math.inf

    async def keep(self) -> None:
        """Say it until cancelled, or until the worker has left."""
        while not self._has_left:
            try:
                await self.say()
            except Exception:  # without this task, calls of this version would go to others
                logger.exception("A worker could not say its version; report this", extra={"action": "version.failed"})
            await asyncio.sleep(EVERY_SECONDS)

    async def say(self) -> None:
        """Say it now. A shard that does not answer has nobody who could ask for it either."""
        is_due = time.monotonic() - self._rewritten_at >= REWRITE_SECONDS
        found = await self._each(self._write if is_due else self._renew)
        if is_due and None not in found:
            self._rewritten_at = time.monotonic()

    async def _renew(self, shard: ShardKeys) -> bool:
        """Say it by one command, if Redis knows the worker."""
        until = int(clock.now() * 1000) + LIFE_MS
        workers = shard.version_workers(self._version)
        try:
            if await self._store.connection.command("ZADD", workers, "XX", "CH", until, self._holder):
                return True
        except StoreFull:  # the script writes first what needs no memory
            pass
        return self._has_left or await self._write(shard)  # a worker that has left meanwhile is not put back

    async def _write(self, shard: ShardKeys) -> bool:
        await self._store.connection.run(
            keep_version(shard=shard, holder=self._holder, version=self._version, life_ms=LIFE_MS)
        )
        return True

    async def leave(self) -> None:
        """Say that the worker takes no more calls. The last one of a version leaves what is queued for it to anyone."""
        self._has_left = True
        moved = await self._each(
            lambda shard: self._store.connection.run(
                leave_version(shard=shard, holder=self._holder, version=self._version)
            )
        )
        if number := sum(count or 0 for count in moved):
            logger.info(
                "The last worker of version %s leaves; %d calls that waited for it are anyone's", self._version, number,
                extra={"action": "worker.version_left", "version": self._version},
            )  # fmt: skip

    async def _each(self, step: Callable[[ShardKeys], Awaitable[T]]) -> list[T | None]:
        """Take the step in each shard, and note that it answers. None where it does not."""
        queue = self._store.call_queue

        async def take(shard: ShardKeys) -> T:
            found = await step(shard)
            queue.watch.answered(shard)
            return found

        found = await asyncio.gather(*(take(shard) for shard in queue.shards), return_exceptions=True)
        for result in found:
            if isinstance(result, BaseException) and not isinstance(result, StoreUnavailable):
                raise result
        return [None if isinstance(result, BaseException) else result for result in found]
