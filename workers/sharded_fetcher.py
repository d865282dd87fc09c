"""Fetches jobs on a Redis Cluster, where the queue is spread over several shards."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator

from arq.worker import Worker

from orchestrator.redis import keys
from orchestrator.redis.commands import blocking_sender_for, lost_answers
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import explain
from orchestrator.tasks import cancel_and_wait
from workers.claim_health import ClaimHealth
from workers.claimer import Claimer
from workers.fetcher import LEAST_SLEEP_SECONDS, REDIS_TROUBLE, seconds_to_cron
from workers.job_slots import JobSlots
from workers.redis_outage import LONGEST_PAUSE_SECONDS, RedisOutage
from workers.wake_up import wake_worker

logger = logging.getLogger(__name__)

POLL_EVERY_SECONDS = 5.0
"""How often the queue with arq's own jobs is read without a wake-up: some are due later, and nobody wakes for them."""
CALL_POLL_EVERY_SECONDS = 15.0
"""How often the queue of another shard is. A worker that looks for waiting calls replaces a lost wake-up sooner."""
LARGEST_SHARE = 4
"""One claim asks for at most a quarter of the free slots: while its master does not answer, the other shards can use
the rest."""


class ShardedFetcher:
    """Fetches from each shard in a task of its own, so that a shard whose master is down does not stop the others.

    arq's own jobs, cron jobs among them, are on the first shard. A job that stands for a call's turns leaves the
    shard's queue first. Then the call's lease is claimed on the node that has the call. If the worker dies in between,
    the call is still in `due`.
    """

    def __init__(
        self,
        worker: Worker,
        slots: JobSlots,
        claimer: Claimer,
        health: ClaimHealth,
        outage: RedisOutage,
        probe: Callable[[], Awaitable[None]],
    ) -> None:
        self._worker = worker
        self._claimer = claimer
        self._outage = outage
        self._probe = probe
        self._lost_answers = 0
        room = SharedRoom(slots, worker)
        self._shards = [ShardFetcher(worker, room, claimer, health, shard) for shard in keys.SHARDS]
        self._tasks: list[asyncio.Task[None]] = []

    async def fetch(self, room: int) -> None:
        """Start the tasks that fetch, once. Note whether a response was lost, to a claim of a shard or of a call."""
        await self._claimer.release_orphans()
        if not self._tasks:
            self._tasks = [asyncio.create_task(shard.run(), name=f"fetch {shard.queue}") for shard in self._shards]
        lost = lost_answers(self._worker.pool)
        self._claimer.may_hold_orphans = self._claimer.may_hold_orphans or lost != self._lost_answers
        self._lost_answers = lost

    async def wait(self) -> None:
        """Wait until a cron job is to be enqueued, for at most the poll delay."""
        await asyncio.sleep(max(min(self._worker.poll_delay_s, seconds_to_cron(self._worker)), LEAST_SLEEP_SECONDS))
        if self._outage.is_on:
            await self._probe()

    async def close(self) -> None:
        """Stop the tasks that fetch."""
        await cancel_and_wait(*self._tasks)


class SharedRoom:
    """The free slots of a worker, as shards that claim at the same time share them."""

    def __init__(self, slots: JobSlots, worker: Worker) -> None:
        self._slots = slots
        self._worker = worker
        self._reserved = 0

    @property
    def are_open(self) -> bool:
        """False once the worker drains."""
        return self._slots.are_open

    @property
    def free(self) -> int:
        """How many slots are neither used nor reserved."""
        return self._slots.free - self._reserved if self.are_open else 0

    async def wait_until_freed(self) -> None:
        """Wait until a job has ended, for at most the worker's poll delay."""
        await self._slots.wait_until_freed(self._worker.poll_delay_s)

    @contextlib.contextmanager
    def share(self) -> Iterator[int]:
        """Reserve some of the free slots, at least one, and give their number."""
        share = min(self._worker.queue_read_limit, max(1, self.free // LARGEST_SHARE))
        self._reserved += share
        try:
            yield share
        finally:
            self._reserved -= share
            self._slots.wake_waiting()  # with fewer slots than shards, other shards wait for what was reserved here


class ShardFetcher:
    """Fetches the jobs of one shard, and waits on the shard's wake list over a connection of its own."""

    def __init__(
        self, worker: Worker, room: SharedRoom, claimer: Claimer, health: ClaimHealth, shard: keys.ShardKeys
    ) -> None:
        self._pool = worker.pool
        self._room = room
        self._claimer = claimer
        self._health = health
        self._shard = shard
        self._wake_lists = claimer.wake_lists(shard)
        self._poll_every = POLL_EVERY_SECONDS if shard is keys.SHARDS[0] else CALL_POLL_EVERY_SECONDS
        self._blocking_command, self._longest_block = blocking_sender_for(worker.pool)
        self._failures = 0

    @property
    def queue(self) -> str:
        """The key of the shard's queue."""
        return self._shard.queue

    async def run(self) -> None:
        """Fetch until the worker drains."""
        while self._room.are_open:
            try:
                await self._fetch()
            except REDIS_TROUBLE as error:
                self._health.failed(self.queue, error)
                await self._pause(error)
            except Exception:
                logger.exception("Jobs could not be taken from %s; report this", self.queue)
                await asyncio.sleep(LONGEST_PAUSE_SECONDS)
            else:
                if self._failures:
                    logger.info("%s answers again", self.queue, extra={"action": "worker.shard_up"})
                self._failures = 0

    async def _fetch(self) -> None:
        if self._room.free <= 0:
            await self._room.wait_until_freed()
        elif not await self._claim():
            token = await self._token(time.monotonic() + self._poll_every)
            if token and self._room.free <= 0:  # wake a worker that can take the job
                await wake_worker(self._pool, token)

    async def _claim(self) -> bool:
        """Claim without the calls' leases, which are on other nodes. Return whether the shard may have more."""
        with self._room.share() as share:
            claimed = await self._claimer.claim(self._shard, share)
        return claimed == share

    async def _token(self, until: float) -> str | None:
        """Wait for a wake-up `until` then. Return the list that it was on.

        None: there was none, or no slot is free any more.

        Waits several times, each time for less than a connection waits for a response.
        """
        lists = self._wake_lists
        while self._room.free > 0:
            popped = await with_sound_keys(
                self._pool, lists, lambda: self._blocking_command("BLPOP", *lists, self._longest_block)
            )
            if popped:
                return text_of(popped[0])
            if time.monotonic() >= until:
                break
        return None

    async def _pause(self, error: BaseException) -> None:
        self._failures += 1
        if self._failures == 1:
            logger.warning(
                "%s (asked for %s) The worker waits for it.", explain(error), self.queue,
                extra={"action": "worker.shard_down"},
            )  # fmt: skip
        await asyncio.sleep(min(LONGEST_PAUSE_SECONDS, 0.05 * 2 ** min(self._failures, 5)))
