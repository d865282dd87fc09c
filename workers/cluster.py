"""The worker on a Redis Cluster, where the queue is spread over several shards."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

import arq.connections
import arq.constants
import arq.jobs
import arq.worker

from orchestrator.redis import keys
from orchestrator.redis.commands import lost_answers, sender_for
from orchestrator.redis.damage import with_sound_keys
from orchestrator.redis.errors import explain
from orchestrator.tasks import cancel_and_wait
from workers.redis_outage import LONGEST_PAUSE_SECONDS
from workers.worker import LONGEST_SLEEP_SECONDS, REDIS_TROUBLE, TurnWorker

logger = logging.getLogger(__name__)

POLL_EVERY_SECONDS = 5.0
"""How often a shard's queue is read though nobody has said that a job is there. The rescuer makes good a lost wake-up
sooner."""
LARGEST_SHARE = 4
"""A claim asks for a quarter of the free room at most: while its master is away it keeps the rest to the others."""


def keep_arq_within(tag: str) -> None:
    """Let all keys of arq's own in this process begin with `tag`: its transactions must stay within one slot.

    arq has no setting for that; it takes the prefixes from constants, which each of its modules has imported.
    """
    for name in (
        "default_queue_name", "job_key_prefix", "in_progress_key_prefix", "result_key_prefix", "retry_key_prefix",
        "abort_jobs_ss",
    ):  # fmt: skip
        plain = getattr(arq.constants, name)
        for module in (arq.constants, arq.connections, arq.jobs, arq.worker):
            if hasattr(module, name) and not plain.startswith(tag):
                setattr(module, name, tag + plain)


class ClusterWorker(TurnWorker):
    """A `TurnWorker` that is fed by each shard separately, so that one whose master is away stops no other.

    arq's own jobs, cron among them, are on the first shard. A job that stands for a call's turns leaves the shard's
    queue first, and then the call's lease is taken where the call lies; who dies in between leaves the call in `due`.
    """

    _reserved = 0
    _lost_answers = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._feeders: list[asyncio.Task[None]] = []

    @property
    def room(self) -> int:
        """For how many more jobs there is room; none once the worker drains."""
        return self.max_jobs - self.job_counter - self._reserved if self.allow_pick_jobs else 0

    async def wait_for_room(self) -> None:
        """Until a job has ended, or at most a poll's time."""
        self._slot_freed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.poll_delay_s):
                await self._slot_freed.wait()

    async def claim_share(self, shard: keys.ShardKeys) -> bool:
        """Claim from a shard, without its calls; whether there may be more."""
        with self._reserve(min(self.queue_read_limit, max(1, self.room // LARGEST_SHARE))) as share:
            claimed = await self._claim_from(shard, [shard.queue, shard.wake], share)
        return claimed == share

    @contextlib.contextmanager
    def _reserve(self, share: int) -> Iterator[int]:
        self._reserved += share
        try:
            yield share
        finally:
            self._reserved -= share

    async def _claim_and_watch(self, room: int) -> None:
        """The feeders claim; what is watched here is whether an answer was lost, theirs or that of a call's claim."""
        if not self._feeders:
            feeders = [Feeder(self, shard) for shard in keys.SHARDS]
            self._feeders = [asyncio.create_task(feeder.feed_for_ever()) for feeder in feeders]
        lost = lost_answers(self.pool)
        self._may_hold_orphans = self._may_hold_orphans or lost != self._lost_answers
        self._lost_answers = lost

    async def _sleep_until_woken(self) -> None:
        """Cron and arq's records need no more than the slow poll."""
        await asyncio.sleep(self.poll_delay_s)
        if self._outage.is_on:
            await self._look()

    async def close(self) -> None:
        """Stop the feeders, then release everything."""
        await cancel_and_wait(*self._feeders)
        await super().close()


class Feeder:
    """Brings a worker the jobs of one shard, for whose wake list it waits on a connection of its own."""

    def __init__(self, worker: ClusterWorker, shard: keys.ShardKeys) -> None:
        self._worker = worker
        self._shard = shard
        self._blocking_command = sender_for(worker.pool, blocks=True)
        self._failures = 0

    async def feed_for_ever(self) -> None:
        """Until the worker drains."""
        while self._worker.allow_pick_jobs:
            try:
                await self._feed()
            except REDIS_TROUBLE as error:
                if self._worker.runtime is not None:
                    self._worker.runtime.claim_health.failed(self._shard.queue, error)
                await self._pause(error)
            except Exception:
                logger.exception("Jobs could not be taken from %s; report this", self._shard.queue)
                await asyncio.sleep(LONGEST_PAUSE_SECONDS)
            else:
                if self._failures:
                    logger.info("%s answers again", self._shard.queue, extra={"action": "worker.shard_up"})
                self._failures = 0

    async def _feed(self) -> None:
        worker, shard = self._worker, self._shard
        if worker.room <= 0:
            await worker.wait_for_room()
        elif not await worker.claim_share(shard):
            token = await self._token(time.monotonic() + POLL_EVERY_SECONDS)
            if token and worker.room <= 0:  # wake somebody who can take the job
                await worker.pool.lpush(shard.wake, token)  # type: ignore[misc]

    async def _token(self, until: float) -> bytes | None:
        """Wait for a wake-up, None if there was none `until` then, by waits shorter than Redis may take to answer."""
        wake = self._shard.wake
        while self._worker.room > 0:
            popped = await with_sound_keys(
                self._worker.pool, [wake], lambda: self._blocking_command("BLPOP", wake, LONGEST_SLEEP_SECONDS)
            )
            if popped:
                token: bytes = popped[1]
                return token
            if time.monotonic() >= until:
                break
        return None

    async def _pause(self, error: BaseException) -> None:
        self._failures += 1
        if self._failures == 1:
            logger.warning(
                "%s (asked for %s) The worker waits for it.", explain(error), self._shard.queue,
                extra={"action": "worker.shard_down"},
            )  # fmt: skip
        await asyncio.sleep(min(LONGEST_PAUSE_SECONDS, 0.05 * 2 ** min(self._failures, 5)))
