"""How long turns wait for a worker, as the queue says: read now and then, never on the path of a turn."""

import asyncio
from collections.abc import Sequence

from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.turns.redis.queue_scripts import oldest_waits


async def read_waits(connection: StoreConnection, shards: Sequence[ShardKeys]) -> dict[str, float]:
    """Return for how long (s) the oldest turn of each tenant has waited that is queued; "" is nobody's in particular.

    Raise `StoreUnavailable`. A shard that does not answer delays only its own calls, and is left out.
    """
    if len(shards) == 1:
        return await connection.run(oldest_waits(shard=shards[0]))
    found = await asyncio.gather(
        *(connection.run(oldest_waits(shard=shard)) for shard in shards), return_exceptions=True
    )
    read = [waits for waits in found if not isinstance(waits, BaseException)]
    if not read:
        raise next(error for error in found if isinstance(error, BaseException))
    return {tenant: max(waits.get(tenant, 0.0) for waits in read) for tenant in {t for waits in read for t in waits}}
