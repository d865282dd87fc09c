"""How a worker gets its jobs. `QueueFetcher` reads a single queue; on a cluster a `ShardedFetcher` reads several."""

import asyncio
import math
import time
from dataclasses import replace
from typing import Protocol

from arq.worker import Worker
from redis.exceptions import RedisError

from orchestrator import clock
from orchestrator.redis import keys
from orchestrator.redis.commands import blocking_sender_for, lost_answers, sender_for
from orchestrator.redis.damage import text_of, with_sound_keys
from workers.claimer import Claimer
from workers.job_slots import JobSlots
from workers.redis_outage import RedisOutage
from workers.wake_up import wake_worker

REDIS_TROUBLE = (RedisError, OSError, TimeoutError)
LATE_SECONDS = 0.1
"""Redis checks ten times a second whether a BLPOP has timed out, so that its response comes up to this much later."""
LEAST_SLEEP_SECONDS = 0.05
SEARCHED_SECONDS = 1.3
"""What was seen of the queue this short a time ago counts: a search for waiting calls looks at it as well."""
PRESENT_EVERY_SECONDS = 1.5
"""How often an idle worker says that it lives."""
BUSY_SECONDS = 1.0
"""How often a worker in which turns run says how much room it has."""
CLAIM_EVERY_SECONDS = 30.0
"""How often an idle worker claims all the same: a worker whose claims Redis refuses is to be known as such."""


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

    It claims when it was woken, when a slot was freed, and when the first job on the queue is due. A cheap command
    reads when that is, at each poll: a wake-up can get lost, and other programs of arq give none.
    """

    def __init__(self, worker: Worker, slots: JobSlots, claimer: Claimer, outage: RedisOutage) -> None:
        self._worker = worker
        self._slots = slots
        self._claimer = claimer
        self._outage = outage
        queue = worker.queue_name
        self._shard = replace(keys.SINGLE_SHARD, queue=queue, wake=keys.wake_list(queue))
        self._wake_lists = claimer.wake_lists(self._shard)
        self._queue_watch = QueueWatch(worker, self._shard)
        self._blocking_command, self._longest_block = blocking_sender_for(worker.pool)
        self._has_more = True  # for all that this worker knows
        self._present_at = -math.inf

    async def fetch(self, room: int) -> None:
        """Claim and start at most `room` jobs, if there may be some."""
        await self._claimer.release_orphans()
        was_woken, self._has_more = self._has_more, True  # until Redis has answered
        claimed = 0
        may_find_some = was_woken or self._worker.burst or await self._is_due()
        if not self._slots.are_open:  # SIGTERM came meanwhile
            return
        room = min(room, self._slots.free)  # grants that were pushed meanwhile have taken some
        if may_find_some:
            claimed = await self._claim(room)
            if was_woken and not claimed:
                await self._queue_watch.is_due()  # a job that is due later may be why: it is waited for
        self._has_more = claimed >= room
        self._outage.succeeded()

    async def _is_due(self) -> bool:
        now = time.monotonic()
        if not self._claimer.is_idle or now - self._present_at >= PRESENT_EVERY_SECONDS:
            if await self._claimer.say_present(self._shard):
                return True
            self._present_at = now
        return await self._queue_watch.is_due(self._claimer.seen_empty_at(self._shard.queue))

    async def _claim(self, room: int) -> int:
        lost_before = lost_answers(self._worker.pool)
        try:
            claimed = await self._claimer.claim(self._shard, room)
        except REDIS_TROUBLE:
            self._claimer.may_hold_orphans = True
            raise
        self._queue_watch.claimed()
        if lost_answers(self._worker.pool) != lost_before:
            self._claimer.may_hold_orphans = True
        return claimed

    async def wait(self) -> None:
        """Wait until a job, a cron job or a free slot is there, for at most `poll_delay` seconds."""
        poll_delay = self._worker.poll_delay_s
        if not self._slots.are_open:
            await asyncio.sleep(0.05)
        elif poll_delay <= 0:  # BLPOP takes 0 for "without a timeout"
            await asyncio.sleep(0)
        elif self._slots.free <= 0:
            self._has_more = True
            await self._slots.wait_until_freed(poll_delay)
        elif not self._has_more:
            due = min(self._queue_watch.seconds_left(), seconds_to_cron(self._worker))
            longest = self._longest_block if self._claimer.is_idle else BUSY_SECONDS
            await self._wait_for_token(min(poll_delay, longest, due))

    async def _wait_for_token(self, seconds: float) -> None:
        lists = self._wake_lists
        timeout = max(seconds - LATE_SECONDS, LEAST_SLEEP_SECONDS)
        self._has_more = True  # a wait that fails may have taken a token
        token = await with_sound_keys(
            self._worker.pool, lists, lambda: self._blocking_command("BLPOP", *lists, timeout)
        )
        self._has_more = token is not None
        self._outage.succeeded(wrote=True)
        if token and not self._slots.are_open:  # SIGTERM came meanwhile: wake a worker that can take the job
            await wake_worker(self._worker.pool, text_of(token[0]))

    async def close(self) -> None:
        """Nothing to do: it has no task of its own."""


class QueueWatch:
    """Reads by one cheap command when the first job on a queue is due, by the server's clock."""

    def __init__(self, worker: Worker, shard: keys.ShardKeys) -> None:
        self._pool = worker.pool
        self._queue = shard.queue
        self._command = sender_for(worker.pool)
        self._first_due = math.inf
        self._claimed_at = -math.inf
        self._read_at = -math.inf

    def claimed(self) -> None:
        """Note that Redis has answered a claim."""
        self._claimed_at = time.monotonic()

    async def is_due(self, seen_empty_at: float = -math.inf) -> bool:
        """Return whether a claim may find a job, or is to show whether claims work. Raise what the client raises.

        The first job may be one that another worker runs. If somebody has seen lately that the queue is empty, after
        it was last read here, it is not read.
        """
        queue, now = self._queue, time.monotonic()
        if seen_empty_at >= max(self._read_at, now - SEARCHED_SECONDS):
            self._first_due = math.inf
            return self._is_to_claim_again(now)
        self._read_at = now
        first = await with_sound_keys(self._pool, [queue], lambda: self._command("ZRANGE", queue, 0, 0, "WITHSCORES"))
        first_due = float(first[1]) / 1000 if first else math.inf
        is_due = first_due <= clock.now()
        self._first_due = math.inf if is_due else first_due
        return is_due or self._is_to_claim_again(time.monotonic())

    def _is_to_claim_again(self, now: float) -> bool:
        return now - self._claimed_at >= CLAIM_EVERY_SECONDS

    def seconds_left(self) -> float:
        """Return how long it is until the first job is due. A job that was due when it was read is not waited for."""
        return max(self._first_due - clock.now(), 0.0)


def seconds_to_cron(worker: Worker) -> float:
    """Return how long it is until the worker enqueues its next cron job."""
    moments = [job.next_run for job in worker.cron_jobs if job.next_run is not None]
    return max((min(moments) - clock.utc_now()).total_seconds(), 0.0) if moments else math.inf
