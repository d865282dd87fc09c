"""What is done with what a worker has claimed: a call's turns, a job of arq's, or something that nobody can run."""

import logging
import math
import time
from typing import Any

from arq.worker import Worker
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.damage import set_aside, text_of
from orchestrator.redis.errors import store_errors
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from workers.runtime import WorkerRuntime

logger = logging.getLogger(__name__)


async def run_turns(runtime: WorkerRuntime, call_sid: str, granted: list[Any]) -> None:
    """Run the turns of a call that was granted."""
    began = time.perf_counter()
    await runtime.runner.run(await runtime.store.granted(call_sid, runtime.holder, granted))
    logger.debug("Turns of a call were run in %.4f s", time.perf_counter() - began)


async def run_call(runtime: WorkerRuntime, call_sid: str) -> None:
    """Claim a call where it lies, and run its turns."""
    try:
        await runtime.run_call(call_sid)
    except StoreUnavailable as error:
        logger.warning(
            "A call could not be claimed (%s); it is found again when it is due", error,
            extra={"action": "call.claim_failed", "call_sid": call_sid},
        )  # fmt: skip


async def run_job(worker: Worker, shard: keys.ShardKeys, name: bytes, score: bytes) -> None:
    """Run a job that arq can run; any other is taken off the queue, where it would come up for ever."""
    if shard.queue != worker.queue_name:  # arq would finish it in the queue where all of its own jobs are
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
    """Take `name` off the shard's queue, with what belongs to it, and put it among the dead letters.

    If Redis does not answer, it is found there again.
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
        logger.warning("A job that nobody can run stays on the queue: %s", error, extra={"action": "worker.bad_job"})
