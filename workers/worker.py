"""`TurnWorker`: arq's worker, on arq's own keys, woken instead of polling, and able to survive an outage of Redis.

How it differs from `arq.Worker`, whose options it takes:

- it waits on a wake list (`BLPOP`) instead of a timer; the poll every `poll_delay` seconds remains, because a wake-up
  can get lost;
- it claims many jobs in one script, without a WATCH/MULTI for each, and claims a call's lease in the same step;
- an error of Redis neither ends it nor costs it a slot;
- SIGTERM drains it: it claims nothing more, finishes the turns that run, and releases what is left.
"""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable
from signal import Signals
from typing import Any

from arq.connections import create_pool, log_redis_info
from arq.worker import Worker
from redis.exceptions import ConnectionError as RedisConnectionError

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.probe import probe_any
from workers.claim_health import ClaimHealth
from workers.claimer import Claimer
from workers.drain import cancel_rest, finish
from workers.fetcher import REDIS_TROUBLE, Fetcher, QueueFetcher
from workers.job_slots import JobSlots
from workers.redis_outage import RedisOutage
from workers.runtime import WorkerRuntime
from workers.sharded_fetcher import ShardedFetcher

logger = logging.getLogger("arq.worker")


CRON_WINDOW_SECONDS = 0.001
"""How much too early a cron job may be enqueued. Fetchers wait until it is due: earlier it would wake workers in vain.
"""


class TurnWorker(Worker):
    """An arq worker that also runs the turns of calls, if there is a `runtime` when it has started.

    `on_startup` sets that. `claim_health` tells whether it can claim.
    """

    __signature__ = inspect.signature(Worker)  # arq reads the names of its options there

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.runtime: WorkerRuntime | None = None
        self.claim_health = ClaimHealth()
        self._outage = RedisOutage()
        self._slots = JobSlots(self)
        self._fetcher: Fetcher | None = None
        self._is_ready = False

    async def main(self) -> None:
        """Work until cancelled; in burst mode until the queue is empty."""
        await self._connect()
        self.ctx["redis"] = self.pool
        if self.on_startup:
            await self.on_startup(self.ctx)
        fetcher = self._fetcher = self.make_fetcher()
        while True:
            if await self._tolerating_redis_errors(self._iterate(fetcher)):
                await self._log_ready()
            if self.burst and await self._burst_is_over():
                return
            await self._tolerating_redis_errors(fetcher.wait(), writes=True)

    async def _connect(self) -> None:
        names = ", ".join(self.functions)
        if self._pool is None:
            self._pool = await create_pool(
                self.redis_settings,
                job_deserializer=self.job_deserializer,
                job_serializer=self.job_serializer,
                default_queue_name=self.queue_name,
                expires_extra_ms=self.expires_extra_ms,
            )
        logger.info("Starting worker for %d functions: %s", len(self.functions), names)
        await self._tolerating_redis_errors(log_redis_info(self.pool, logger.info))

    def make_fetcher(self) -> Fetcher:
        """Return what takes jobs off the queue, in a cluster off all of its shards."""
        claimer = Claimer(self, self._slots, self.claim_health, self.runtime)
        if isinstance(self.pool.connection_pool, ClusterPool):
            return ShardedFetcher(self, self._slots, claimer, self.claim_health, self._outage, self._probe)
        return QueueFetcher(self, self._slots, claimer, self._outage)

    async def _log_ready(self) -> None:
        """Log once, when Redis has answered and accepted a write."""
        if self.runtime is None or self._is_ready:
            return
        if not await self._tolerating_redis_errors(self._probe(), writes=True):
            return
        self._is_ready = True
        extra = {"action": "worker.ready", "holder": self.runtime.holder, "version": self.runtime.version}
        logging.getLogger(__name__).info("Worker ready", extra=extra)

    async def _probe(self) -> None:
        """Return if there is a server that this worker can use. Raise what the client raises."""
        try:
            await probe_any(self.pool)
        except StoreUnavailable as error:
            raise RedisConnectionError(str(error)) from error
        self._outage.succeeded(wrote=True)

    async def _tolerating_redis_errors(self, step: Awaitable[None], *, writes: bool = False) -> bool:
        """Await `step`. Return True if it has succeeded; after an error of Redis, False and after a growing pause.

        `writes` says that the step does little else than write.
        """
        try:
            await step
        except REDIS_TROUBLE as error:
            if self.burst:
                raise
            self.claim_health.failed(self.queue_name, error)
            await asyncio.sleep(self._outage.failed(error, writes=writes))
            return False
        return True

    async def _burst_is_over(self) -> bool:
        if not 0 <= self.max_burst_jobs <= self._jobs_started() and await self.pool.zcard(self.queue_name):
            return False
        await asyncio.gather(*self.tasks.values())
        return True

    async def _iterate(self, fetcher: Fetcher) -> None:
        """Fetch due jobs, forget ended ones, and update arq's health record and cron jobs."""
        room = min(self.max_jobs - self.job_counter, self.queue_read_limit)
        if self.burst and self.max_burst_jobs >= 0:
            room = min(room, self.max_burst_jobs - self._jobs_started())
        if self.allow_pick_jobs and room > 0:
            await fetcher.fetch(room)
        if self.allow_abort_jobs:
            await self._cancel_aborted_jobs()
        self._slots.forget_ended()
        await self.heart_beat()

    async def heart_beat(self) -> None:
        """Update arq's health record and enqueue the cron jobs that are due by the server's time."""
        await self.record_health()
        await self.run_cron(clock.utc_now().astimezone(self.timezone), CRON_WINDOW_SECONDS, num_windows=1)

    def handle_sig_wait_for_completion(self, signum: Signals) -> None:
        """Drain: start no more turns."""
        if self.runtime is not None:
            self.runtime.runner.draining = True
        super().handle_sig_wait_for_completion(signum)

    async def _wait_for_tasks_to_complete(self, signum: Signals) -> None:
        """Let the running turns finish, release those that do not in time, then stop."""
        await finish(self.tasks.values(), self.runtime, self._job_completion_wait)
        cancel_rest(self.tasks.values(), signum, (self.jobs_complete, self.jobs_failed, self.jobs_retried))
        if self.main_task is not None:
            self.main_task.cancel()
        if self.on_stop is not None:
            self.on_stop(signum)

    async def close(self) -> None:
        """Release everything. An error of Redis does not make it fail."""
        if self._fetcher is not None:
            await self._fetcher.close()
        if not self._handle_signals:
            self.handle_sig(Signals.SIGUSR1)
        if not self._pool:
            return
        await asyncio.gather(*self.tasks.values(), return_exceptions=not self.burst)
        with contextlib.suppress(*REDIS_TROUBLE):
            await self.pool.delete(self.health_check_key)
        if self.on_shutdown:
            await self.on_shutdown(self.ctx)
        with contextlib.suppress(*REDIS_TROUBLE):
            await self.pool.close(close_connection_pool=True)
        self._pool = None
