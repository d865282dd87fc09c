"""The index of active calls in a cluster: it lies apart from the states, and is right all the same."""

import pytest
from redis.asyncio import Redis
from support.cluster import ClusterTopology

from orchestrator.conversation.state import EndRecord
from orchestrator.redis import keys
from orchestrator.redis.connections import ConnectionTimings, connect
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.state.redis.index import CallIndex

CALLS = [f"CA{number}" for number in range(60)]


@pytest.fixture
def client(cluster_client: Redis) -> Redis:
    """A client of the cluster that tests share."""
    return cluster_client


@pytest.fixture
def manager(client: Redis) -> RedisStateManager:
    return RedisStateManager(client)


@pytest.fixture
def index(client: Redis) -> CallIndex:
    """The index of that manager, of which a process may do one step and die."""
    return CallIndex(client, 3_600_000)


def calls(call_sid: str) -> str:
    """The key of the index in which the call stands."""
    return keys.shard_of(keys.SHARDS, call_sid).calls


async def test_states_and_index_are_spread_over_all_nodes(cluster, manager) -> None:
    for call_sid in CALLS:
        await manager.create_state(call_sid)
    assert await manager.get_active_calls_count() == len(CALLS)
    assert sorted(await manager.get_all_call_sids()) == sorted(CALLS)
    for node in cluster.nodes:
        found = cluster.ask(node, "KEYS", "*")
        assert any(key.startswith(keys.STATE_PREFIX) for key in found)
        assert any(key.endswith(":calls") for key in found)


async def test_who_wrote_before_the_end_does_not_put_the_call_back(manager, index) -> None:
    state = await manager.create_state("CA1")
    state.ended = EndRecord(status="completed")
    await manager.update_state(state)
    await index.after_write("CA1", is_active=True)  # the second step of a slower write
    assert await manager.get_active_calls_count() == 0


async def test_who_creates_a_call_that_has_ended_does_not_put_it_back(manager) -> None:
    state = await manager.create_state("CA1")
    state.ended = EndRecord(status="completed")
    await manager.update_state(state)
    assert (await manager.create_state("CA1")).ended
    assert await manager.get_active_calls_count() == 0


async def test_a_creation_that_was_cut_off_leaves_nothing_for_long(client, manager, index) -> None:
    await index.before_create("CA1", is_active=True)
    assert await manager.cleanup_expired() == 0  # it may be about to write the state
    aged = RedisStateManager(client, 7200)  # to whom the entry is an hour old
    assert await aged.cleanup_expired() == 1
    assert await manager.get_all_call_sids() == []


async def test_calls_whose_state_is_gone_are_found_in_every_part(client, manager) -> None:
    for call_sid in CALLS:
        await manager.create_state(call_sid)
    for call_sid in CALLS[1:]:
        await client.delete(keys.state(call_sid))
    assert await RedisStateManager(client, 7200).cleanup_expired() == len(CALLS) - 1
    assert await manager.get_all_call_sids() == CALLS[:1]


async def test_a_call_that_begins_anew_while_it_is_deleted_stays(client, manager, index) -> None:
    await manager.create_state("CA1")
    entry = await index.entry("CA1")
    await client.zadd(calls("CA1"), {"CA1": entry + 1})  # its new life
    await index.forget("CA1", entry)
    assert await manager.get_all_call_sids() == ["CA1"]


@pytest.mark.processes
async def test_a_master_without_replica_that_dies_makes_it_unhealthy() -> None:
    with ClusterTopology() as cluster:
        manager = RedisStateManager(connect(Settings(redis_url=cluster.url), timings=ConnectionTimings(failover=0.1)))
        assert await manager.health_check()
        cluster.nodes[2].kill()
        assert not await manager.health_check()
        await manager.close()
