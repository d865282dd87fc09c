"""A worker says which version it is of, until it leaves."""

import asyncio
from types import SimpleNamespace
from typing import Any

from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall
from orchestrator.turns.redis.store import RedisTurnStore
from workers.version_presence import VersionPresence

WORKERS = keys.SINGLE_SHARD.version_workers("1")


class SlowConnection:
    """A connection whose commands wait until they may go; scripts overtake them."""

    def __init__(self, store: RedisTurnStore) -> None:
        self._connection = store.connection
        self.may_go = asyncio.Event()

    async def command(self, *words: Any) -> Any:
        await self.may_go.wait()
        return await self._connection.command(*words)

    async def run(self, call: ScriptCall[Any]) -> Any:
        return await self._connection.run(call)


async def test_a_renewal_that_is_on_its_way_does_not_bring_back_a_worker_that_leaves(redis_client: Redis) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=100)
    connection = SlowConnection(store)
    slow: Any = SimpleNamespace(connection=connection, call_queue=store.call_queue)
    presence = VersionPresence(slow, "w", "1")
    await presence.say()
    assert await redis_client.zscore(WORKERS, "w") is not None
    renewal = asyncio.create_task(presence.say())
    await asyncio.sleep(0)
    await presence.leave()
    connection.may_go.set()
    await renewal
    assert await redis_client.zscore(WORKERS, "w") is None
