"""Lists the workers and what each is doing, as they report it themselves every few seconds."""

import json
import math
from collections.abc import Container
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.health.worker_status import read_status
from orchestrator.redis import keys
from orchestrator.redis.ciphers import cipher_of
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors

WORKER_ALIVE_SECONDS = 15
"""A worker whose last heartbeat is older than this counts as lost."""
MAX_WORKERS = 200
MOST_MISSING, LONGEST_KEY_ID = 8, 16
"""What is shown of keys that processes lack: others can write to Redis."""
REMEMBERED_SECONDS = 60
"""How long the last heartbeat of a worker that stopped without deregistering is kept."""


async def list_workers(redis: Redis, known: Container[str] = ()) -> list[dict[str, Any]]:
    """Return the workers, the longest running first: `id`, `seen_at` (Unix seconds), and the fields of their status.

    Workers that were lost in the last minute are included, with `lost`. A status may lack any field, or be missing:
    workers of another version run side by side with this process. Those whose ids are `known` are left out. Raises
    `StoreUnavailable`.
    """

    cipher = cipher_of(redis)

    async def read() -> list[tuple[bytes, float]]:
        alive: list[tuple[bytes, float]] = await redis.zrangebyscore(
            keys.WORKERS, clock.now() - REMEMBERED_SECONDS, "+inf", start=0, num=MAX_WORKERS, withscores=True
        )
        return alive

    with store_errors():
        alive = await with_sound_keys(redis, [keys.WORKERS], read)
        named = ((text_of(holder), at) for holder, at in alive if math.isfinite(at))
        seen = {holder: at for holder, at in named if holder not in known}
        async with redis.pipeline(transaction=False) as pipe:
            for holder in seen:
                pipe.get(keys.worker_status(holder))
            statuses = await pipe.execute(raise_on_error=False) if seen else []
    workers = [
        {**read_status(cipher, holder, text), "id": holder, "seen_at": at, **_lost(at)}
        for (holder, at), text in zip(seen.items(), statuses, strict=True)
    ]
    return sorted(workers, key=lambda worker: (str(worker.get("started_at", "")), worker["id"]))


async def missing_keys(redis: Redis) -> tuple[str, ...]:
    """Return the ids of the encryption keys that this process or a living worker lacks. Never raises."""
    found = set(cipher_of(redis).missing.lately())
    with suppress(StoreUnavailable):
        for worker in await list_workers(redis):
            ids = worker.get("missing_keys")
            if isinstance(ids, list) and "lost" not in worker:
                found.update(str(each)[:LONGEST_KEY_ID] for each in ids[:MOST_MISSING])
    return tuple(sorted(found)[:MOST_MISSING])


async def erase_from_reports(redis: Redis, call_sid: str) -> None:
    """Delete the reports that name a call which is erased. A worker that lives reports again within seconds.

    Raises `StoreUnavailable`.
    """
    for worker in await list_workers(redis):
        if json.dumps(call_sid) in json.dumps(worker.get("turns")):
            with store_errors():
                await redis.delete(keys.worker_status(worker["id"]))


def _lost(seen_at: float) -> dict[str, bool]:
    return {"lost": True} if seen_at < clock.now() - WORKER_ALIVE_SECONDS else {}
