"""Who the workers are and what each is doing, as they say themselves every few seconds."""

import json
import time
from typing import Any

from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.vitals import WORKER_ALIVE_SECONDS

MOST_WORKERS = 200


async def read_roster(redis: Redis) -> list[dict[str, Any]]:
    """The workers alive, the longest known first: `id`, `seen_at` (Unix seconds), and what their status says.

    A status may lack any field, or be missing: workers of another version run beside this process.
    Raises `StoreUnavailable`.
    """
    with store_errors():
        alive = await redis.zrangebyscore(
            keys.WORKERS, time.time() - WORKER_ALIVE_SECONDS, "+inf", start=0, num=MOST_WORKERS, withscores=True
        )
        seen = {_text(holder): at for holder, at in alive}
        async with redis.pipeline(transaction=False) as pipe:
            for holder in seen:
                pipe.get(keys.worker_status(holder))
            told = await pipe.execute() if seen else []
    entries = [
        {**_status(text), "id": holder, "seen_at": at} for (holder, at), text in zip(seen.items(), told, strict=True)
    ]
    return sorted(entries, key=lambda entry: (str(entry.get("started_at", "")), entry["id"]))


def _status(text: bytes | str | None) -> dict[str, Any]:
    try:
        status = json.loads(text or "{}")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
