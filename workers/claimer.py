"""Claims due jobs from a queue of arq's, many in one script, and starts them."""

import itertools
import logging
from collections.abc import Awaitable, Sequence
from typing import Any

from arq.worker import Worker
from redis.exceptions import ConnectionError as RedisConnectionError

from orchestrator.conversation.call_sid import call_sid_of
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.commands import WiredScript
from orchestrator.redis.damage import text_of
from orchestrator.redis.scripts import lua
from orchestrator.turns.redis.call_queue import JOB_ID_PREFIX
from workers.claim_health import ClaimHealth
from workers.job_slots import JobSlots
from workers.jobs import remove_job, run_call, run_job, run_turns
from workers.runtime import WorkerRuntime

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
        self._script = WiredScript(worker.pool, lua("claim_jobs"))
        self._numbers = itertools.count()

    async def claim(self, shard: keys.ShardKeys, script_keys: Sequence[str], most: int) -> int:
        """Claim at most `most` jobs and start them. Return how many were claimed. Raise what the client raises."""
        claimed = await self._claim_jobs(shard, script_keys, most)
        self._health.succeeded(shard.queue)
        for kind, name, *more in claimed:
            self._start(shard, kind, name, *more)
        return len(claimed)

    async def _claim_jobs(self, shard: keys.ShardKeys, script_keys: Sequence[str], most: int) -> list[Any]:
        runtime = self._runtime
        claimed: list[Any] = await self._script(
            keys=script_keys,
            args=[
                most, shard.in_progress(""), int(self._worker.in_progress_timeout_s * 1000),
                JOB_ID_PREFIX if runtime else "", shard.job(""),
                runtime.holder if runtime else "", runtime.store.lease_ms if runtime else 0,
                runtime.store.lease_record_ms if runtime else 0, keys.STATE_PREFIX, self._worker.queue_read_limit,
                runtime.store.on_approval if runtime else "",
            ],
        )  # fmt: skip
        return claimed

    def _start(self, shard: keys.ShardKeys, kind: bytes, name: bytes, more: Any = None) -> None:
        shown, runtime, start = text_of(name), self._runtime, self._slots.start
        if kind == b"job":
            start(shown, run_job(self._worker, shard, name, more))
        elif runtime is None or call_sid_of(name) is None:
            turn_job = JOB_ID_PREFIX.encode() + name
            start(shown, remove_job(self._worker.pool, shard, turn_job, "no call can be named so"))
        elif kind == b"turns":
            start(f"{JOB_ID_PREFIX}{shown}:{int(more[0])}", self._counted(run_turns(runtime, shown, more)))
        else:
            start(f"{JOB_ID_PREFIX}{shown}:{next(self._numbers)}", self._counted(run_call(runtime, shown)))

    async def _counted(self, turns: Awaitable[None]) -> None:
        await turns
        self._worker.jobs_complete += 1

    async def release_orphans(self) -> None:
        """After a lost response, release the leases that were granted in it. Raise what the client raises."""
        if not self.may_hold_orphans or self._runtime is None:
            return
        try:
            released = await self._runtime.release_orphans()
        except StoreUnavailable as error:
            raise RedisConnectionError(str(error)) from error
        self.may_hold_orphans = False
        if released:
            logger.warning(
                "%d calls were granted to this worker in a response that was lost; released them", released,
                extra={"action": "worker.orphans_released"},
            )  # fmt: skip
