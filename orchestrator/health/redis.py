"""Reads the status of the system from Redis, in one round trip. `orchestrator.health.report` judges it."""

import asyncio
import math
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.errors import StoreUnavailable, StoreUnconfirmed
from orchestrator.events.outbox_report import read_report
from orchestrator.health.events import EventsStatus
from orchestrator.health.report import SystemStatus
from orchestrator.health.workers import WORKER_ALIVE_SECONDS
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.damage import with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.replicas import Replicas, ReplicaWait
from orchestrator.turns.redis.queue_scripts import count_queued
from orchestrator.worker_versions.redis.plan_store import plan_of_hash

MAX_REPLICA_WAIT_MS = 1000
"""A health page waits no longer than this for replicas, even where turns wait longer."""


async def read_system_status(redis: Redis, wait: ReplicaWait | None = None) -> SystemStatus:
    """Return the status; never raises. With `wait`, the status is degraded while replicas do not confirm."""
    try:
        status = await _read(redis)
        return status if wait is None else await _confirmed(redis, wait, status)
    except StoreUnavailable as error:
        return SystemStatus(redis_ok=False, redis_message=str(error))


async def _confirmed(redis: Redis, wait: ReplicaWait, status: SystemStatus) -> SystemStatus:
    """Return `status`, degraded if replicas do not confirm a write; in a cluster, on every master with a shard."""
    replicas = Replicas(redis, replace(wait, milliseconds=min(wait.milliseconds, MAX_REPLICA_WAIT_MS)))
    try:
        with store_errors():
            await asyncio.gather(*(replicas.probe(shard.calls) for shard in shards_of(redis)))
    except StoreUnconfirmed as error:
        return replace(status, redis_message=f"{error} Until they do, calls are held.", degraded=True)
    return status


async def _read(redis: Redis) -> SystemStatus:
    shards = shards_of(redis)

    async def read() -> list[Any]:
        async with redis.pipeline(transaction=False) as pipe:
            pipe.time()
            since = clock.now() - WORKER_ALIVE_SECONDS
            pipe.zcount(keys.WORKERS, since, "+inf")
            pipe.zcount(keys.UNABLE_WORKERS, since, "+inf")
            pipe.hlen(keys.DEAD_LETTERS)
            pipe.get(keys.OUTBOX_REPORT)
            pipe.hgetall(shards[0].rollout)
            for shard in shards:
                pipe.execute_command(*count_queued(shard=shard).by_text())
                pipe.zrangebyscore(shard.due, 1, "+inf", start=0, num=1, withscores=True)
            return await pipe.execute()

    names = [keys.WORKERS, keys.UNABLE_WORKERS, keys.DEAD_LETTERS, keys.OUTBOX_REPORT, shards[0].rollout]
    names += [name for shard in shards for name in (shard.queue, shard.due)]
    with store_errors():
        now, workers, unable, dead, events, rollout, *found = await with_sound_keys(redis, names, read)
    overdue = [now[0] - due[0][1] / 1000 for due in found[1::2] if due and math.isfinite(due[0][1])]
    return SystemStatus(
        redis_ok=True,
        redis_message="Redis connection OK",
        workers=workers,
        unable_workers=min(unable, workers),
        queue_depth=sum(found[::2]),
        oldest_wait_seconds=max(0.0, *overdue, 0.0),
        dead_letters=dead,
        events=None if (outbox := read_report(events)) is None else EventsStatus(outbox),
        rollout=plan_of_hash(rollout),
    )
