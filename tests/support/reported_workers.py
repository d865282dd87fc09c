"""Workers that only report: what heartbeats leave in Redis, without the processes."""

import json
from typing import Any

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.redis import keys

KEPT_SECONDS = 100


async def report_worker(redis: Redis, holder: str, version: str, **status: Any) -> None:
    """Leave the heartbeat of a worker of `version`."""
    await redis.zadd(keys.WORKERS, {holder: clock.now()})
    await redis.expire(keys.WORKERS, KEPT_SECONDS)
    await redis.set(keys.worker_status(holder), json.dumps({"version": version, **status}), ex=KEPT_SECONDS)


async def pin_call(redis: Redis, call_sid: str, version: str) -> None:
    """Leave the lease of a call that is pinned to `version`; "" is none."""
    lease = keys.call(call_sid).lease
    await redis.hset(lease, mapping={"epoch": 1, "version": version})  # type: ignore[misc]
    await redis.expire(lease, KEPT_SECONDS)


async def report_process(redis: Redis, process_id: str, **report: Any) -> None:
    """Leave what a process, a worker if nothing else is said, reported of itself last."""
    text = json.dumps({"role": "worker", "version": "v1", "seen_at": clock.now(), **report})
    await redis.hset(keys.PROCESSES, process_id, text)  # type: ignore[misc]
    await redis.expire(keys.PROCESSES, KEPT_SECONDS)
