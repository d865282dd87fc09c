"""Gives back what was granted to this worker without its hearing of it: the answer to a claim was lost."""

from collections.abc import Container
from typing import Any

from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors
from orchestrator.turns.redis_store import RedisTurnStore
from orchestrator.turns.store import Lease

MOST_CALLS = 1000


async def give_back_strays(store: RedisTurnStore, holder: str, running: Container[str]) -> int:
    """Give back the leases of `holder` for calls that are not `running`, as no attempts; how many there were.

    Every call with a lease stands in the index of what is due. Raises `StoreUnavailable`.
    """
    strays = [(lease, turn_id) for lease, turn_id in await _leases_of(store, holder) if lease.call_sid not in running]
    for lease, turn_id in strays:
        await store.give_back(lease, turn_id)
    return len(strays)


async def _leases_of(store: RedisTurnStore, holder: str) -> list[tuple[Lease, str]]:
    with store_errors():
        async with store.redis.pipeline(transaction=False) as pipe:
            for hub in store.hub.shards:
                pipe.zrange(hub.due, 0, MOST_CALLS - 1)
            due = [sid.decode() for sids in await pipe.execute() for sid in sids]
        if not due:
            return []
        async with store.redis.pipeline(transaction=False) as pipe:
            for call_sid in due:
                pipe.hmget(keys.call(call_sid).lease, ["holder", "epoch", "turn"])
            found: list[list[Any]] = await pipe.execute()
    return [
        (Lease(call_sid, holder, int(epoch)), turn_id.decode())
        for call_sid, (by, epoch, turn_id) in zip(due, found, strict=True)
        if by == holder.encode() and epoch and turn_id
    ]
