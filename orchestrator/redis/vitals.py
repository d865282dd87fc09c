"""What the system says of its own health: read in one round trip from Redis, judged in `orchestrator.health`."""

import asyncio
import math
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.errors import StoreUnavailable, StoreUnconfirmed
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.damage import with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.replicas import Replicas, ReplicaWait

WORKER_ALIVE_SECONDS = 15
LONGEST_WAIT_MS = 1000
"""A page about health is not kept waiting for longer, however patient turns are."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """`oldest_wait_seconds`: by how much the longest wait is overdue. `unable_workers`: those of the workers that Redis
    answers and lets claim nothing. `degraded`: calls are held, or run without Redis; `redis_message` says why."""

    redis_ok: bool
    redis_message: str
    workers: int = 0
    unable_workers: int = 0
    queue_depth: int = 0
    oldest_wait_seconds: float = 0.0
    dead_letters: int = 0
    degraded: bool = False


async def read_vitals(redis: Redis, wait: ReplicaWait | None = None) -> Vitals:
    """The vitals; never raises. With `wait`, a Redis whose replicas do not confirm is degraded."""
    try:
        vitals = await _read(redis)
        return vitals if wait is None else await _confirmed(redis, wait, vitals)
    except StoreUnavailable as error:
        return Vitals(redis_ok=False, redis_message=str(error))


async def _confirmed(redis: Redis, wait: ReplicaWait, vitals: Vitals) -> Vitals:
    """In a cluster every master that has a shard is asked."""
    replicas = Replicas(redis, replace(wait, milliseconds=min(wait.milliseconds, LONGEST_WAIT_MS)))
    try:
        with store_errors():
            await asyncio.gather(*(replicas.probe(shard.calls) for shard in shards_of(redis)))
    except StoreUnconfirmed as error:
        return replace(vitals, redis_message=f"{error} Until they do, calls are held.", degraded=True)
    return vitals


async def _read(redis: Redis) -> Vitals:
    shards = shards_of(redis)

    async def read() -> list[Any]:
        async with redis.pipeline(transaction=False) as pipe:
            pipe.time()
            since = clock.now() - WORKER_ALIVE_SECONDS
            pipe.zcount(keys.WORKERS, since, "+inf")
            pipe.zcount(keys.UNABLE_WORKERS, since, "+inf")
            pipe.hlen(keys.DEAD_LETTERS)
            for shard in shards:
                pipe.zcard(shard.queue)
                pipe.zrangebyscore(shard.due, 1, "+inf", start=0, num=1, withscores=True)
            return await pipe.execute()

    names = [keys.WORKERS, keys.UNABLE_WORKERS, keys.DEAD_LETTERS]
    with store_errors():
        names += [name for shard in shards for name in (shard.queue, shard.due)]
        now, workers, unable, dead, *found = await with_sound_keys(redis, names, read)
    overdue = [now[0] - due[0][1] / 1000 for due in found[1::2] if due and math.isfinite(due[0][1])]
    return Vitals(
        True, "Redis connection OK", workers, min(unable, workers), sum(found[::2]), max(0.0, *overdue, 0.0), dead
    )
