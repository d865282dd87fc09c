"""Claims due jobs from a queue of arq's, many in one script, and starts them."""

import itertools
import logging
import math
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from arq.worker import Worker
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from orchestrator.errors import StoreUnavailable
from orchestrator.process_metrics import catalog
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.tasks import BackgroundTasks
from orchestrator.turns.redis.lane import NO_TAKER, NOTHING_RUNS
from orchestrator.turns.redis.lease_scripts import ClaimedJob, ClaimedJobs, Grant, NoCall, Pushed, QueuedJob, claim_jobs
from workers.claim_health import ClaimHealth
from workers.job_slots import JobSlots
from workers.jobs import queue_again, remove_job, run_call, run_job, run_turns
from workers.running_tenants import RunningTenants
from workers.runtime import WorkerRuntime
from workers.wake_up import wake_worker

logger = logging.getLogger("arq.worker")


class Claimer:
    """Claims for one worker. Without a `runtime` it claims arq's own jobs alone, as arq's worker does."""

    def __init__(self, worker: Worker, slots: JobSlots, health: ClaimHealth, runtime: WorkerRuntime | None) -> None:
        self.may_hold_orphans = False
        """True after a claim whose response was lost: Redis may have granted this worker something all the same."""
        self._worker = worker
        self._slots = slots
        self._health = health
        self._runtime = runtime
        self._scripts = ScriptRunner(worker.pool)
        self._numbers = itertools.count()
        self._told: int | None = None  # how many grants had come when the worker last said how much room it has
        self._taker = NO_TAKER if runtime is None else runtime.store.job_claims.taker
        self._tenants = RunningTenants()
        self._capped: dict[str, list[str]] = {}  # queue → wake lists, where more of a tenant waits than may run here
        self._wakes = BackgroundTasks()
        if runtime is not None:
            runtime.pushed.start = self._start_pushed

    async def claim(self, shard: keys.ShardKeys, most: int) -> int:
        """Claim at most `most` jobs and start them. Return how many were claimed. Raise what the client raises."""
        claimed = await self._claim_jobs(shard, most)
        self._health.succeeded(shard.queue)
        if claimed.is_capped:
            self._capped[shard.queue] = self.wake_lists(shard)
        for job in claimed.jobs:
            self._start(shard, job)
        await self._note_pushed(claimed.pushed)
        return len(claimed.jobs)

    def wake_lists(self, shard: keys.ShardKeys) -> list[str]:
        """Return the wake lists of the lanes that this worker takes from."""
        version = self._taker.version
        return [*([keys.wake_list(shard.version_queue(version))] if version else []), shard.wake]

    async def say_present(self, shard: keys.ShardKeys) -> bool:
        """Say that the worker lives, and how much room it has, so that grants are pushed to it.

        Return True if that has shown a due job. While nothing runs here and nothing was pushed, Redis knows the room.
        Raise what the client raises.
        """
        runtime = self._runtime
        if runtime is None or runtime.store.job_claims.room is None or self._received() is None:
            return False
        if self.is_idle and await runtime.store.job_claims.touch(runtime.holder):
            return False
        received = self._received()
        if received is None:  # the subscription was lost meanwhile
            return False
        self._told = received if not self._worker.job_counter else None
        report = await runtime.store.job_claims.report(
            shard, holder=runtime.holder, free=self._slots.free, received=received
        )
        await self._note_pushed(report.pushed)
        return report.is_due

    def seen_empty_at(self, queue: str) -> float:
        """Return when the search for waiting calls saw that the queue is empty (`time.monotonic()`), or -inf."""
        return -math.inf if self._runtime is None else self._runtime.store.call_queue.watch.seen_empty_at(queue)

    @property
    def is_idle(self) -> bool:
        """True if no job runs here and no grant has come since the worker last said how much room it has."""
        return not self._worker.job_counter and self._received() == self._told

    async def _note_pushed(self, pushed: Pushed | None) -> None:
        if pushed is not None and self._runtime is not None and self._runtime.has_lost(pushed):
            await self.release_orphans()

    def _received(self) -> int | None:
        """Return how many pushed grants have come; None if none can come, or are wanted."""
        return None if self._runtime is None or self._worker.burst else self._runtime.received

    async def _claim_jobs(self, shard: keys.ShardKeys, most: int) -> ClaimedJobs:
        runtime, read, self._told = self._runtime, self._worker.queue_read_limit, self._received()
        ms = int(self._worker.in_progress_timeout_s * 1000)
        if runtime is not None:
            return await runtime.store.job_claims.claim(
                shard, holder=runtime.holder, most=most, look_at=read, in_progress_ms=ms, received=self._told,
                running=self._tenants.running if self._taker.most_of_tenant is not None else NOTHING_RUNS,
            )  # fmt: skip
        return await self._scripts.run(
            claim_jobs(shard=shard, has_calls=False, most=most, look_at=read, in_progress_ms=ms, holder=None)
        )

    def _start(self, shard: keys.ShardKeys, job: ClaimedJob) -> None:
        runtime, start, name = self._runtime, self._slots.start, text_of(job.job_id)
        if isinstance(job, QueuedJob):
            start(name, run_job(self._worker, shard, job.job_id, job.score))
        elif isinstance(job, NoCall) or runtime is None:
            start(name, remove_job(self._worker.pool, shard, job.job_id, "no call can be named so"))
        elif self._is_full_for(job.tenant):  # meanwhile others of the tenant were pushed, or came from other shards
            self._capped[shard.queue] = self.wake_lists(shard)
            if isinstance(job, Grant):
                runtime.pushed.give_back(job)
            else:
                start(f"{name}:{next(self._numbers)}", queue_again(runtime, job.call_sid))
        elif isinstance(job, Grant):
            _note_moved(job, self._taker.version)
            start(f"{name}:{job.lease.epoch}", self._counted(run_turns(runtime, job), job.tenant))
        else:
            start(f"{name}:{next(self._numbers)}", self._counted(run_call(runtime, job.call_sid), job.tenant))

    def _is_full_for(self, tenant: str) -> bool:
        """True if no more turns of the tenant may run here."""
        most = self._taker.most_of_tenant
        return most is not None and self._tenants.number(tenant) >= most

    def _start_pushed(self, grant: Grant) -> bool:
        """Start the turn of a grant that was pushed to this worker. Return False if no slot is free for its tenant."""
        if self._runtime is None or self._slots.free <= 0 or self._is_full_for(grant.tenant):
            return False
        _note_moved(grant, self._taker.version)
        turns = self._counted(run_turns(self._runtime, grant), grant.tenant)
        self._slots.start(f"{grant.job_id}:{grant.lease.epoch}", turns)
        return True

    def _counted(self, turns: Coroutine[Any, Any, None], tenant: str) -> Coroutine[Any, Any, None]:
        """Return the work, which counts for its tenant from now on until it ends."""
        self._tenants.began(tenant)
        return self._run_counted(turns, tenant)

    async def _run_counted(self, turns: Coroutine[Any, Any, None], tenant: str) -> None:
        try:
            await turns
        finally:
            self._tenants.ended(tenant)
            self._look_at_capped()
        self._worker.jobs_complete += 1

    def _look_at_capped(self) -> None:
        """After a turn has ended, look at the lanes from which no more could be taken."""
        capped, self._capped = self._capped, {}
        for queue, lists in capped.items():
            self._wakes.start(self._wake(lists[0]), f"wake for {queue}")

    async def _wake(self, wake: str) -> None:
        with suppress(RedisError, OSError, TimeoutError):  # the rescue wakes as well
            await wake_worker(self._worker.pool, wake)

    async def release_orphans(self) -> None:
        """After a lost response or message, release the leases that it granted. Raise what the client raises."""
        if self._runtime is None or not (self.may_hold_orphans or self._runtime.has_missed_messages):
            return
        try:
            released = await self._runtime.release_orphans()
        except StoreUnavailable as error:
            raise RedisConnectionError(str(error)) from error
        self.may_hold_orphans = False
        if released:
            logger.warning(
                "Responses or messages that granted %d calls to this worker were lost; released them", released,
                extra={"action": "worker.orphans_released"},
            )  # fmt: skip


def _note_moved(grant: Grant, version: str) -> None:
    """Log and count a call that was pinned to another version, of which no worker lives."""
    if grant.moved_from:
        catalog.MOVED_CALLS.inc()
        logger.warning(
            "A call goes on at version %s: no worker of %s, which it was pinned to, lives", version, grant.moved_from,
            extra={"action": "call.moved", "call_sid": grant.lease.call_sid, "version": version},
        )  # fmt: skip
