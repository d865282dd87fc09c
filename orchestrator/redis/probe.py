"""Probes whether Redis does what the product needs: it answers, and it takes writes.

A server may answer PING and refuse writes: while too few replicas are connected (NOREPLICAS), because it is a replica
itself (READONLY), or because it cannot save to its disk (MISCONF).
"""

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.redis import keys
from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.errors import is_full, store_errors
from orchestrator.redis.slots import slot_of_key


async def probe(redis: Redis) -> None:
    """Return if the server, or each master of a cluster, answers and takes a write; else raise `StoreUnavailable`.

    A server whose memory is full passes: it still serves the calls that it has.
    """
    with store_errors():
        await redis.execute_command("PING")  # type: ignore[no-untyped-call]
        await asyncio.gather(*(_write(redis, mark) for mark in await _marks(redis)))


async def probe_any(redis: Redis) -> None:
    """Return if the server, or any master of a cluster, takes a write; else raise `StoreUnavailable`.

    A worker that reaches one master of several has work to do.
    """
    with store_errors():
        written = await asyncio.gather(*(_write(redis, mark) for mark in await _marks(redis)), return_exceptions=True)
        failures = [failure for failure in written if isinstance(failure, BaseException)]
        if len(failures) == len(written):
            raise failures[0]


async def _write(redis: Redis, mark: str) -> None:
    try:
        await redis.set(mark, 1, ex=keys.MARK_SECONDS)
    except RedisError as error:
        if not is_full(error):
            raise


async def _marks(redis: Redis) -> list[str]:
    """Return a key to write to on the server; in a cluster, one on each master with a shard.

    Raises what the nodes of a cluster fail with.
    """
    pool = redis.connection_pool
    if not isinstance(pool, ClusterPool):
        return [keys.WRITE_MARK]
    await pool.topology.locate(None)  # asks the nodes, if none was asked yet
    marks = [keys.write_mark_beside(shard.calls) for shard in keys.SHARDS]
    return list({pool.topology.owner(slot_of_key(mark)): mark for mark in marks}.values())
