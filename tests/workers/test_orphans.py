"""Leases that Redis granted in a response that never reached the worker."""

import asyncio

import pytest
from redis.asyncio import Redis
from support.proxy import FaultProxy, script
from support.servers import RedisServer

from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.redis.script_call import lua_script
from orchestrator.testing.example_turns import a_turn, claimed
from orchestrator.turns.redis.store import RedisTurnStore
from workers.orphans import release_orphans


async def test_an_orphaned_lease_is_released_and_uses_up_no_attempt(redis_client: Redis) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60)
    for call_sid in ("CA1", "CA2", "CA3"):
        await store.submit(a_turn("t1", call_sid=call_sid), opening={})
    running = await claimed(store, "CA1", "me")
    await claimed(store, "CA2", "me")
    theirs = await claimed(store, "CA3", "another")
    assert await release_orphans(store, "me", {"CA1"}) == 1
    assert await release_orphans(store, "me", {"CA1"}) == 0
    assert await store.renew([running.lease, theirs.lease]) == []
    assert (await claimed(store, "CA2", "another")).attempt == 1


@pytest.mark.processes
async def test_a_turn_granted_in_a_lost_response_is_run_at_its_first_attempt(
    start_worker, dispatcher, redis_server: RedisServer, redis_client: Redis
) -> None:
    await redis_client.script_load(lua_script("claim_jobs").text)
    pending = await submit_by(dispatcher, a_turn("t1"), opening={"channel": "api"})
    async with FaultProxy(redis_server.port) as proxy:
        proxy.cut_after(script("claim_jobs"))
        worker = await asyncio.to_thread(start_worker, url=proxy.url)
        result = await pending.wait(60)
        assert result is not None
        assert (result.outcome, proxy.trapped) == ("replied", True)
        done = await asyncio.to_thread(worker.wait_for_event, "turn.replied")
        assert (done["attempt"], len(worker.events("worker.orphans_released"))) == (1, 1)
