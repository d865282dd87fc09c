"""Reads what the workers report: what they have counted, and what each does now."""

import math
from collections.abc import Awaitable, Mapping
from typing import Any, cast

from redis.asyncio import Redis

from orchestrator.fleet_metrics.fleet import Fleet
from orchestrator.health.workers import list_workers
from orchestrator.process_metrics.changes import counts_of_texts
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors

BEGAN = "began"
"""The field of `keys.FLEET_COUNTS` that is no count."""


async def read_fleet(redis: Redis) -> Fleet:
    """Return what is known. Raise `StoreUnavailable`."""

    async def read() -> Mapping[Any, Any]:
        return await cast("Awaitable[Mapping[Any, Any]]", redis.hgetall(keys.FLEET_COUNTS))

    with store_errors():
        found = await with_sound_keys(redis, [keys.FLEET_COUNTS], read)
    texts = {text_of(name): text_of(value) for name, value in found.items()}
    began = texts.pop(BEGAN, "")
    counts = counts_of_texts({name: _number(value) for name, value in texts.items()})
    return Fleet(counts, began, await list_workers(redis))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
