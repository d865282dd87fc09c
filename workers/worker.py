"""`TurnWorker`: arq's worker, on arq's own keys, woken instead of polling, and able to outlive its Redis.

What differs from `arq.Worker`, whose constructor it keeps:

- it sleeps on a wake list (`BLPOP`) instead of a timer; the poll every `poll_delay` seconds remains as a safety
  net, because a wake-up is a hint that can get lost;
- it claims many jobs in one script, without a WATCH/MULTI for each, and takes a call's lease in the same step;
- no Redis error ends it or costs it a slot;
- SIGTERM drains it: nothing new is taken, the turns at hand are finished, what is left is handed over.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from functools import cached_property
from signal import Signals
from typing import Any

from arq.connections import create_pool, log_redis_info
from arq.worker import Worker
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from orchestrator import clock, error_logging
from orchestrator.conversation.call_sid import call_sid_of
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.commands import WiredScript, lost_answers, sender_for
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.probe import probe_any
from orchestrator.redis.scripts import lua
from orchestrator.turns.redis.call_queue import JOB_ID_PREFIX
from workers.drain import cancel_rest, finish
from workers.jobs import run_call, run_job, run_turns, take_off
from workers.redis_outage import RedisOutage
from workers.runtime import WorkerRuntime

logger = logging.getLogger("arq.worker")

REDIS_TROUBLE = (RedisError, OSError, TimeoutError)
LONGEST_SLEEP_SECONDS = 1.0
"""Shorter than a connection waits for an answer."""
LATE_SECONDS = 0.1
"""The server looks ten times a second whether a BLPOP has waited long enough: it answers up to so much later."""
LEAST_SLEEP_SECONDS = 0.05


class TurnWorker(Worker):
    """An arq worker that also runs the turns of calls, once it has a `runtime` to run them in."""

    runtime: WorkerRuntime | None = None

    _is_ready = False
    _may_hold_orphans = False
    _claim_script: Any = None
    _blocking_command: Any = None

    @property
    def _wake_list(self) -> str:
        return keys.wake_list(self.queue_name)

    @cached_property
    def _outage(self) -> RedisOutage:
        return RedisOutage()

    @cached_property
    def _slot_freed(self) -> asyncio.Event:
        return asyncio.Event()

    @cached_property
    def _numbers(self) -> Iterator[int]:
        return itertools.count()

    async def main(self) -> None:
        """Work until cancelled; in burst mode until the queue is empty."""
        await self._connect()
        self.ctx["redis"] = self.pool
        if self.on_startup:
            await self.on_startup(self.ctx)
        while True:
            if await self._tolerating_redis_errors(self._poll_iteration()):
                await self._say_ready()
            if self.burst and await self._burst_is_over():
                return
            await self._tolerating_redis_errors(self._sleep_until_woken(), writes=True)

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

    async def _say_ready(self) -> None:
        """Once, when Redis has answered and taken a write."""
        if self.runtime is None or self._is_ready or not await self._tolerating_redis_errors(self._look(), writes=True):
            return
        self._is_ready = True
        extra = {"action": "worker.ready", "holder": self.runtime.holder, "version": self.runtime.version}
        logging.getLogger(__name__).info("Worker ready", extra=extra)

    async def _look(self) -> None:
        """Whether there is a server that this worker can work with. Raises what a client raises."""
        try:
            await probe_any(self.pool)
        except StoreUnavailable as error:
            raise RedisConnectionError(str(error)) from error
        self._outage.passed(wrote=True)

    async def _tolerating_redis_errors(self, step: Awaitable[None], *, writes: bool = False) -> bool:
        """Take a step, which may be one that `writes` before all; where Redis fails it, wait a little longer each time.
        Whether it was taken."""
        try:
            await step
        except REDIS_TROUBLE as error:
            if self.burst:
                raise
            if self.runtime is not None:
                self.runtime.claim_health.failed(self.queue_name, error)
            await asyncio.sleep(self._outage.failed(error, writes=writes))
            return False
        return True

    async def _burst_is_over(self) -> bool:
        if not 0 <= self.max_burst_jobs <= self._jobs_started() and await self.pool.zcard(self.queue_name):
            return False
        await asyncio.gather(*self.tasks.values())
        return True

    async def _poll_iteration(self) -> None:
        """Start what is due and there is room for, forget what is done, keep arq's health record and cron."""
        room = min(self.max_jobs - self.job_counter, self.queue_read_limit)
        if self.burst and self.max_burst_jobs >= 0:
            room = min(room, self.max_burst_jobs - self._jobs_started())
        if self.allow_pick_jobs and room > 0:
            await self._release_orphans()
            await self._claim_and_watch(room)
        if self.allow_abort_jobs:
            await self._cancel_aborted_jobs()
        self._forget_done()
        await self.heart_beat()

    async def _claim_and_watch(self, room: int) -> None:
        """Claim; and note when an answer was lost, to which somebody may have been granted something."""
        lost_before = lost_answers(self.pool)
        try:
            await self._claim(room)
        except REDIS_TROUBLE:
            self._may_hold_orphans = True
            raise
        self._outage.passed()
        if lost_answers(self.pool) != lost_before:
            self._may_hold_orphans = True

    async def _release_orphans(self) -> None:
        """After a claim whose answer was lost: what it granted is anybody's to run."""
        if not self._may_hold_orphans or self.runtime is None:
            return
        try:
            orphans = await self.runtime.release_orphans()
        except StoreUnavailable as error:
            raise RedisConnectionError(str(error)) from error
        self._may_hold_orphans = False
        if orphans:
            logger.warning(
                "%d calls were granted to this worker in a response that was lost; released them", orphans,
                extra={"action": "worker.orphans_released"},
            )  # fmt: skip

    async def _claim(self, room: int) -> None:
        shard = replace(keys.SINGLE_SHARD, queue=self.queue_name, wake=self._wake_list)
        await self._claim_from(shard, [shard.queue, shard.wake, shard.due], room)

    async def _claim_from(self, shard: keys.ShardKeys, script_keys: list[str], room: int) -> int:
        """Claim from one queue and start what was claimed; how many that were."""
        runtime = self.runtime
        if self._claim_script is None:
            self._claim_script = WiredScript(self.pool, lua("claim_jobs"))
        claimed = await self._claim_script(
            keys=script_keys,
            args=[
                room, shard.in_progress(""), int(self.in_progress_timeout_s * 1000),
                JOB_ID_PREFIX if runtime else "", shard.job(""),
                runtime.holder if runtime else "", runtime.store.lease_ms if runtime else 0,
                runtime.store.lease_record_ms if runtime else 0, keys.STATE_PREFIX, self.queue_read_limit,
                runtime.store.on_approval if runtime else "",
            ],
        )  # fmt: skip
        if runtime is not None:
            runtime.claim_health.succeeded(shard.queue)
        for kind, name, *more in claimed:
            self._begin(shard, kind, name, *more)
        return len(claimed)

    def _begin(self, shard: keys.ShardKeys, kind: bytes, name: bytes, more: Any = None) -> None:
        shown, runtime = text_of(name), self.runtime
        if kind == b"job":
            self._start(shown, run_job(self, shard, name, more))
        elif runtime is None or call_sid_of(name) is None:
            self._start(shown, take_off(self.pool, shard, JOB_ID_PREFIX.encode() + name, "no call can be named so"))
        elif kind == b"turns":
            self._start(f"{JOB_ID_PREFIX}{shown}:{int(more[0])}", self._counted(run_turns(runtime, shown, more)))
        else:
            self._start(f"{JOB_ID_PREFIX}{shown}:{next(self._numbers)}", self._counted(run_call(runtime, shown)))

    async def _counted(self, turns: Awaitable[None]) -> None:
        await turns
        self.jobs_complete += 1

    def _start(self, name: str, job: Any) -> None:
        self.job_counter += 1
        task = self.tasks[name] = self.loop.create_task(job, name=name)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self.job_counter -= 1
        self._slot_freed.set()

    def _forget_done(self) -> None:
        for job_id, task in list(self.tasks.items()):
            if not task.done():
                continue
            del self.tasks[job_id]
            if task.cancelled() or (error := task.exception()) is None:
                continue
            if self.burst or not isinstance(error, Exception):
                raise error
            error_logging.log(logging.ERROR, logger, "Job %s was left unfinished: %s", job_id, error=error)

    async def _sleep_until_woken(self) -> None:
        """Until a job was enqueued, a slot is free, or `poll_delay` is over; whichever matters now."""
        if not self.allow_pick_jobs:
            await asyncio.sleep(0.05)
        elif self.poll_delay_s <= 0:  # BLPOP would take that for "for ever"
            await asyncio.sleep(0)
        elif self.job_counter >= self.max_jobs:
            self._slot_freed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.poll_delay_s):
                    await self._slot_freed.wait()
        else:
            await self._sleep_on(self._wake_list, min(self.poll_delay_s, LONGEST_SLEEP_SECONDS))

    async def _sleep_on(self, wake_list: str, seconds: float) -> None:
        if self._blocking_command is None:
            self._blocking_command = sender_for(self.pool, blocks=True)
        timeout = max(seconds - LATE_SECONDS, LEAST_SLEEP_SECONDS)
        token = await with_sound_keys(
            self.pool, [wake_list], lambda: self._blocking_command("BLPOP", wake_list, timeout)
        )
        self._outage.passed(wrote=True)
        if token and not self.allow_pick_jobs:  # SIGTERM came meanwhile: wake somebody who can take the job
            await self.pool.lpush(wake_list, token[1])  # type: ignore[misc]

    async def heart_beat(self) -> None:
        """Keep arq's health record, and enqueue what cron has due by the time that all workers agree on."""
        await self.record_health()
        await self.run_cron(clock.utc_now().astimezone(self.timezone), max(self.poll_delay_s, 0.5))

    def handle_sig_wait_for_completion(self, signum: Signals) -> None:
        """Drain: no turn is begun from now on."""
        if self.runtime is not None:
            self.runtime.runner.draining = True
        super().handle_sig_wait_for_completion(signum)

    async def _wait_for_tasks_to_complete(self, signum: Signals) -> None:
        """Let the turns at hand finish, hand over those that do not in time, then stop."""
        await finish(self.tasks.values(), self.runtime, self._job_completion_wait)
        cancel_rest(self.tasks.values(), signum, (self.jobs_complete, self.jobs_failed, self.jobs_retried))
        if self.main_task is not None:
            self.main_task.cancel()
        if self.on_stop is not None:
            self.on_stop(signum)

    async def close(self) -> None:
        """Release everything; Redis being away is no reason to fail."""
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
