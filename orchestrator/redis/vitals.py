"""What the system says of its own health: read in one round trip from Redis, judged in `orchestrator.health`."""

import time
from dataclasses import dataclass

from redis.asyncio import Redis

from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.hub import shards_of

WORKER_ALIVE_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Vitals:
    """`oldest_wait_seconds`: by how much the longest wait is overdue. `degraded`: calls run without Redis."""

    redis_ok: bool
    redis_message: str
    workers: int = 0
    queue_depth: int = 0
    oldest_wait_seconds: float = 0.0
    dead_letters: int = 0
    degraded: bool = False


async def read_vitals(redis: Redis) -> Vitals:
    """The vitals; never raises."""
    try:
        with store_errors():
            async with redis.pipeline(transaction=False) as pipe:
                pipe.time()
                pipe.zcount(keys.WORKERS, time.time() - WORKER_ALIVE_SECONDS, "+inf")
                pipe.hlen(keys.DEAD_LETTERS)
                for hub in shards_of(redis):
                    pipe.zcard(hub.queue)
                    pipe.zrange(hub.due, 0, 0, withscores=True)
                now, workers, dead, *hubs = await pipe.execute()
    except StoreUnavailable as error:
        return Vitals(redis_ok=False, redis_message=str(error))
    overdue = [now[0] - due[0][1] / 1000 for due in hubs[1::2] if due]
    return Vitals(True, "Redis connection OK", workers, sum(hubs[::2]), max(0.0, *overdue, 0.0), dead)
