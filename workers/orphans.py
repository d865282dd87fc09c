"""Releases orphaned leases: Redis granted them to this worker, but the response was lost."""

from collections.abc import Callable, Container
from typing import Any

from orchestrator.conversation.call_sid import call_sid_of
from orchestrator.redis import keys
from orchestrator.redis.damage import is_wrong_type, text_of, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import Lease

MOST_CALLS = 1000


async def release_orphans(
    store: RedisTurnStore, holder: str, running: Container[str], decide: Callable[[Lease], bool] = lambda lease: True
) -> int:
    """Release the leases of `holder` for calls that are not `running`. Return how many there were.

    `decide` returns False for a lease whose grant has come after all. A released turn has not used up an attempt. Every
    call with a lease is in the index of due calls. Raise `StoreUnavailable`.
    """
    released = 0
    for lease, turn_id in await _leases_of(store, holder):
        if lease.call_sid not in running and decide(lease):
            await store.claims.give_back(lease, turn_id)
            released += 1
    return released


async def _leases_of(store: RedisTurnStore, holder: str) -> list[tuple[Lease, str]]:
    due = await _due(store)
    if not due:
        return []
    with store_errors():
        async with store.redis.pipeline(transaction=False) as pipe:
            for call_sid in due:
                pipe.hmget(keys.call(call_sid).lease, ["holder", "epoch", "turn"])
            found: list[Any] = await pipe.execute(raise_on_error=False)
        for answer in found:
            if isinstance(answer, Exception) and not is_wrong_type(answer):
                raise answer
    leases = zip(due, found, strict=True)
    return [held for call_sid, lease in leases if (held := _lease_of(holder, call_sid, lease)) is not None]


async def _due(store: RedisTurnStore) -> list[str]:
    async def read() -> list[list[bytes]]:
        async with store.redis.pipeline(transaction=False) as pipe:
            for shard in store.call_queue.shards:
                pipe.zrange(shard.due, 0, MOST_CALLS - 1)
            return await pipe.execute()

    with store_errors():
        found = await with_sound_keys(store.redis, [shard.due for shard in store.call_queue.shards], read)
    return [call_sid for names in found for name in names if (call_sid := call_sid_of(name)) is not None]


def _lease_of(holder: str, call_sid: str, lease: Any) -> tuple[Lease, str] | None:
    """Return the lease and its turn if the holder has it, else None. None also if a field is missing or damaged."""
    if isinstance(lease, Exception):
        return None
    by, epoch, turn_id = lease
    if by != holder.encode() or not epoch or not epoch.isdigit() or not turn_id:
        return None
    return Lease(call_sid, holder, int(epoch)), text_of(turn_id)
