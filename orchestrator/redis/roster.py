"""Who the workers are and what each is doing, as they say themselves every few seconds."""

import json
import math
from typing import Any

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.vitals import WORKER_ALIVE_SECONDS

MOST_WORKERS = 200
REMEMBERED_SECONDS = 60
"""How long the last sign of life of a worker that did not say goodbye is kept."""


async def read_roster(redis: Redis) -> list[dict[str, Any]]:
    """The workers alive, the longest known first: `id`, `seen_at` (Unix seconds), and what their status says.

    Those that were lost in the last minute are told, too, with `lost`. A status may lack any field, or be missing:
    workers of another version run beside this process.
    Raises `StoreUnavailable`.
    """

    async def read() -> list[tuple[bytes, float]]:
        alive: list[tuple[bytes, float]] = await redis.zrangebyscore(
            keys.WORKERS, clock.now() - REMEMBERED_SECONDS, "+inf", start=0, num=MOST_WORKERS, withscores=True
        )
        return alive

    with store_errors():
        alive = await with_sound_keys(redis, [keys.WORKERS], read)
        seen = {text_of(holder): at for holder, at in alive if math.isfinite(at)}
        async with redis.pipeline(transaction=False) as pipe:
            for holder in seen:
                pipe.get(keys.worker_status(holder))
            told = await pipe.execute(raise_on_error=False) if seen else []
    entries = [
        {**_status(text), "id": holder, "seen_at": at, **_lost(at)}
        for (holder, at), text in zip(seen.items(), told, strict=True)
    ]
    return sorted(entries, key=lambda entry: (str(entry.get("started_at", "")), entry["id"]))


def _lost(seen_at: float) -> dict[str, bool]:
    return {"lost": True} if seen_at < clock.now() - WORKER_ALIVE_SECONDS else {}


def _status(text: Any) -> dict[str, Any]:
    """What is said there; nothing, if it is not to be read, or could not be passed on as JSON."""
    if not isinstance(text, bytes | str):
        return {}
    try:
        status = json.loads(text)
        json.dumps(status, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return {}
    return status if isinstance(status, dict) else {}
