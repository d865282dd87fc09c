"""Runs what a worker has claimed: the turns of a call or a job of arq's. Removes a job that no worker can run."""

import logging
import math
import time
from contextlib import suppress

from arq.worker import Worker
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.damage import set_aside, text_of
from orchestrator.redis.errors import store_errors
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from orchestrator.turns.redis.lease_scripts import Grant
from workers.runtime import WorkerRuntime

logger = logging.getLogger(__name__)


async def run_turns(runtime: WorkerRuntime, grant: Grant) -> None:
    """Run the turns of a call whose lease was granted with the job."""
    began = time.perf_counter()
    await runtime.run_granted(grant)
    logger.debug("Turns of a call were run in %.4f s", time.perf_counter() - began)


async def run_call(runtime: WorkerRuntime, call_sid: str) -> None:
    """Claim a call on the node that has it, and run its turns. If Redis does not answer, log that and return."""
    try:
        await runtime.run_call(call_sid)
    except StoreUnavailable as error:
        logger.warning(
            "A call could not be claimed (%s); a worker claims it when it is due again", error,
            extra={"action": "call.claim_failed", "call_sid": call_sid},
        )  # fmt: skip


async def queue_again(runtime: WorkerRuntime, call_sid: str) -> None:
    """Put a call back on its queue that was taken off and not claimed. If Redis does not answer, the rescue does it."""
    with suppress(StoreUnavailable):
        await runtime.store.call_queue.enqueue(call_sid)


async def run_job(worker: Worker, shard: keys.ShardKeys, name: bytes, score: bytes) -> None:
    """Run a job of arq's. Remove a job that cannot be run: it would be claimed again and again."""
    if shard.queue != worker.queue_name:  # arq would remove it from its own queue, not from this one
        await remove_job(worker.pool, shard, name, f"jobs of arq's own belong on {worker.queue_name}")
        return
    due_at = float(score)
    try:
        await worker.run_job(name.decode(), int(due_at) if math.isfinite(due_at) else 0)
    except (RedisConnectionError, RedisTimeoutError, OSError):
        raise
    except Exception as error:
        await remove_job(worker.pool, shard, name, f"it cannot be run ({type(error).__name__})")


async def remove_job(redis: Redis, shard: keys.ShardKeys, name: bytes | str, reason: str) -> None:
    """Remove the job `name` and its keys from the shard's queue, and put it among the dead letters.

    If Redis does not answer, the job stays on the queue and is claimed again.
    """
    shown = text_of(name)
    try:
        with store_errors():
            await set_aside(redis.execute_command, [shard.job(shown)])
            async with redis.pipeline(transaction=False) as pipe:
                pipe.zrem(shard.queue, name)
                pipe.delete(shard.job(shown), shard.in_progress(shown))
                await pipe.execute()
        await RedisDeadLetters(redis).put_unreadable(shown, f"job {shown}", reason)
    except StoreUnavailable as error:
        logger.warning("A job that cannot be run stays on the queue: %s", error, extra={"action": "worker.bad_job"})
