"""How a worker gets its jobs. `QueueFetcher` reads a single queue; on a cluster a `ShardedFetcher` reads several."""

import asyncio
from dataclasses import replace
from typing import Protocol

from arq.worker import Worker
from redis.exceptions import RedisError

from orchestrator.redis import keys
from orchestrator.redis.commands import lost_answers, sender_for
from orchestrator.redis.damage import with_sound_keys
from workers.claimer import Claimer
from workers.job_slots import JobSlots
from workers.redis_outage import RedisOutage

REDIS_TROUBLE = (RedisError, OSError, TimeoutError)
LONGEST_SLEEP_SECONDS = 1.0
"""The longest wait of one BLPOP: shorter than a connection waits for a response."""
LATE_SECONDS = 0.1
"""Redis checks ten times a second whether a BLPOP has timed out, so that its response comes up to this much later."""
LEAST_SLEEP_SECONDS = 0.05


class Fetcher(Protocol):
    """What the worker's loop calls in turn. Both steps raise what the client raises."""

    async def fetch(self, room: int) -> None:
        """Start what is due, at most `room` jobs, or see to it that it is started."""

    async def wait(self) -> None:
        """Wait until there may be something to fetch, for at most the worker's poll delay."""

    async def close(self) -> None:
        """Fetch no more."""


class QueueFetcher:
    """Claims from the worker's queue in the worker's own loop, and waits on the wake list of the queue.

    The poll every `poll_delay` seconds remains, because a wake-up can get lost.
    """

    def __init__(self, worker: Worker, slots: JobSlots, claimer: Claimer, outage: RedisOutage) -> None:
        self._worker = worker
        self._slots = slots
        self._claimer = claimer
        self._outage = outage
        queue = worker.queue_name
        self._shard = replace(keys.SINGLE_SHARD, queue=queue, wake=keys.wake_list(queue))
        self._blocking_command = sender_for(worker.pool, blocks=True)

    async def fetch(self, room: int) -> None:
        """Claim and start at most `room` jobs."""
        await self._claimer.release_orphans()
        shard, lost_before = self._shard, lost_answers(self._worker.pool)
        try:
            await self._claimer.claim(shard, room)
        except REDIS_TROUBLE:
            self._claimer.may_hold_orphans = True
            raise
        self._outage.succeeded()
        if lost_answers(self._worker.pool) != lost_before:
            self._claimer.may_hold_orphans = True

    async def wait(self) -> None:
        """Wait until a job was enqueued or, if no slot is free, until one is; for at most `poll_delay` seconds."""
        poll_delay = self._worker.poll_delay_s
        if not self._slots.are_open:
            await asyncio.sleep(0.05)
        elif poll_delay <= 0:  # BLPOP takes 0 for "without a timeout"
            await asyncio.sleep(0)
        elif self._slots.free <= 0:
            await self._slots.wait_until_freed(poll_delay)
        else:
            await self._wait_for_token(min(poll_delay, LONGEST_SLEEP_SECONDS))

    async def _wait_for_token(self, seconds: float) -> None:
        wake = self._shard.wake
        timeout = max(seconds - LATE_SECONDS, LEAST_SLEEP_SECONDS)
        token = await with_sound_keys(self._worker.pool, [wake], lambda: self._blocking_command("BLPOP", wake, timeout))
        self._outage.succeeded(wrote=True)
        if token and not self._slots.are_open:  # SIGTERM came meanwhile: wake a worker that can take the job
            await self._worker.pool.lpush(wake, token[1])  # type: ignore[misc]

    async def close(self) -> None:
        """Nothing to do: it has no task of its own."""
