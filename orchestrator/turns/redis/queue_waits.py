"""How long turns wait for a worker, as the queue says: read now and then, never on the path of a turn."""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_call import ScriptCall
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.turns.redis.queue_scripts import list_waiting_calls, oldest_waits

LONG_MS = 2000
"""A turn that a worker has not taken for longer waits for one: they take it within milliseconds."""
MOST_OF_LANE = 500

T = TypeVar("T")


async def read_waits(connection: StoreConnection, shards: Sequence[ShardKeys]) -> dict[str, float]:
    """Return for how long (s) the oldest turn of each tenant has waited that is queued; "" is nobody's in particular.

    Raise `StoreUnavailable`. A shard that does not answer delays only its own calls, and is left out.
    """
    read = await _of_each(connection, [oldest_waits(shard=shard) for shard in shards])
    return {tenant: max(waits.get(tenant, 0.0) for waits in read) for tenant in {t for waits in read for t in waits}}


async def read_waiting_calls(connection: StoreConnection, shards: Sequence[ShardKeys]) -> dict[str, float]:
    """Return which calls have a turn that waits for a worker for long, and for how long (s).

    Raise `StoreUnavailable`. A shard that does not answer is left out.
    """
    calls = [list_waiting_calls(shard=shard, for_ms=LONG_MS, most=MOST_OF_LANE) for shard in shards]
    return {call_sid: waited for waits in await _of_each(connection, calls) for call_sid, waited in waits.items()}


async def _of_each(connection: StoreConnection, calls: Sequence[ScriptCall[T]]) -> list[T]:
    """Return what the shards that answer say. Raise `StoreUnavailable` if none does."""
    found = await asyncio.gather(*map(connection.run, calls), return_exceptions=True)
    read = [answer for answer in found if not isinstance(answer, BaseException)]
    if not read:
        raise next(error for error in found if isinstance(error, BaseException))
    return read
