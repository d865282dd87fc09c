"""A worker's sign of life: who it is and what it does, in Redis, because nothing can reach a worker from outside."""

import asyncio
import json
import logging
import os
import time

from redis.asyncio import Redis

from orchestrator.agents.host import AgentHost
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors
from orchestrator.turns.runner import TurnRunner

logger = logging.getLogger(__name__)

BEAT_EVERY_SECONDS = 5.0
STATUS_SECONDS = 20


async def keep_pulse(
    redis: Redis, holder: str, runner: TurnRunner, host: AgentHost, *, agent: str, version: str
) -> None:
    """Beat until cancelled; then say goodbye, so that nobody counts on this worker any more."""
    began = time.time()
    try:
        while True:
            status = {
                "pid": os.getpid(), "agent": agent, "version": version, "started_at": began,
                "running": len(runner.running), "draining": runner.draining, "stuck_threads": host.stuck_threads,
            }  # fmt: skip
            try:
                await _beat(redis, holder, status)
            except StoreUnavailable:
                logger.debug("A heartbeat was not recorded")
            await asyncio.sleep(BEAT_EVERY_SECONDS)
    finally:
        try:
            with store_errors():
                async with asyncio.timeout(1), redis.pipeline(transaction=False) as pipe:
                    pipe.zrem(keys.WORKERS, holder)
                    pipe.delete(keys.worker_status(holder))
                    await pipe.execute()
        except (StoreUnavailable, TimeoutError):
            pass


async def _beat(redis: Redis, holder: str, status: dict[str, object]) -> None:
    with store_errors():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zadd(keys.WORKERS, {holder: time.time()})
            pipe.zremrangebyscore(keys.WORKERS, "-inf", time.time() - 60)
            pipe.expire(keys.WORKERS, 120)
            pipe.set(keys.worker_status(holder), json.dumps(status), ex=STATUS_SECONDS)
            await pipe.execute()
