"""`RedisPresence`: an ingress reports itself to Redis, where all processes are found."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.processes.presence import Presence, ReadReport
from orchestrator.processes.redis.reports import (
    HASH_TTL_SECONDS,
    forget_old_reports,
    keep_reports,
    list_processes,
    read_reports,
    write_end,
    write_report,
)
from orchestrator.processes.report import NO_GAP, Gap, Process, Report
from orchestrator.redis import keys
from orchestrator.redis.damage import with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
LEAVE_SECONDS = 1.0
"""How long an ingress that ends waits for Redis to note it."""
TIDY_EVERY = 12
"""One report of so many also removes what is too old: once a minute."""


class RedisPresence(Presence):
    """Reports this ingress every `seconds`. `guard` is the breaker's."""

    def __init__(
        self,
        redis: Redis,
        guard: Callable[[], AbstractContextManager[None]],
        process_id: str,
        seconds: float = INTERVAL_SECONDS,
    ) -> None:
        super().__init__(process_id)
        self._redis = redis
        self._guard = guard
        self._seconds = seconds
        self._reported_at: float | None = None
        self._is_failing = False
        self._gap = NO_GAP

    @asynccontextmanager
    async def reporting(self, read_report: ReadReport) -> AsyncIterator[None]:
        """Report what `read_report` returns, while the block runs; then note that the process has ended."""
        self.read_report = read_report
        task = asyncio.create_task(self._report_on(), name="presence")
        try:
            yield
        finally:
            await cancel_and_wait(task)
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._write(keeps=True, ends=True)

    async def reports(self) -> dict[str, Report]:
        """Return the reports of all processes. Raise `StoreUnavailable`."""
        with self._guard():
            return await read_reports(self._redis)

    async def processes(self) -> list[Process]:
        """Return all processes. A time in which Redis was down does not count as their silence.

        Raise `StoreUnavailable`.
        """
        with self._guard():
            return await list_processes(self._redis, self._gap)

    async def _report_on(self) -> None:
        for number in itertools.count():
            try:
                await self._write(keeps=number % TIDY_EVERY == 0)
                self._note_success()
                if number % TIDY_EVERY == 0:
                    with self._guard():
                        await forget_old_reports(self._redis)
            except StoreUnavailable:
                self._is_failing = True
                logger.debug("The presence of this process was not recorded")
            except Exception:  # this task must not end: nobody would know of this process
                logger.exception(
                    "The presence of this process was not recorded; report this", extra={"action": "presence.failed"}
                )
            await asyncio.sleep(self._seconds)

    async def _write(self, *, keeps: bool, ends: bool = False) -> None:
        """Write the report; if it `keeps` them, or is the first one of this process, renew the time to live of all."""

        async def write() -> None:
            async with self._redis.pipeline(transaction=False) as pipe:
                (write_end if ends else write_report)(pipe, self.process_id, self.read_report())
                if keeps:
                    keep_reports(pipe)
                is_new, *_ = await pipe.execute()
            if is_new and not keeps:  # the reports were lost, or this is the first one
                await self._redis.expire(keys.PROCESSES, HASH_TTL_SECONDS)

        with self._guard(), store_errors():
            await with_sound_keys(self._redis, [keys.PROCESSES], write)

    def _note_success(self) -> None:
        now = clock.now()
        if self._is_failing and self._reported_at is not None:
            self._gap = Gap(self._reported_at, now)
        self._is_failing, self._reported_at = False, now
