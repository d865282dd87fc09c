"""Every turn store of the product keeps the one contract."""

import json

import pytest
from redis.asyncio import Redis
from support.encrypted_redis import KEY, WithKeys, unencrypted

from orchestrator.conversation.reply import Position, TurnResult
from orchestrator.errors import CallEnded
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.redis.replicas import ReplicaWait
from orchestrator.settings import Settings
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.turn_store_contract import TurnStoreContract, a_turn, claimed, commit
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.messages import Piece
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import Claim

TTL = 100
PATIENT = {"ttl_seconds": TTL, "lease_seconds": 60}
"""A lease that runs out when a test says so, however long the machine takes."""


async def expire_in_redis(client: Redis, claim: Claim) -> None:
    """What time does to a lease: its end lies in the past."""
    lease = keys.call(claim.lease.call_sid).lease
    if await client.hget(lease, "epoch") == str(claim.lease.epoch).encode():
        await client.hset(lease, "until", 1)


class TestInMemoryTurnStore(TurnStoreContract):
    @pytest.fixture
    def store(self):
        return InMemoryTurnStore(InMemoryStateManager(TTL))

    @pytest.fixture
    def states(self, store):
        return store.states

    def limited(self, store, most):
        return InMemoryTurnStore(store.states, max_active_calls=most)


class TestRedisTurnStore(TurnStoreContract):
    @pytest.fixture
    def store(self, redis_client):
        return RedisTurnStore(redis_client, **PATIENT, listener="here")

    @pytest.fixture
    def states(self, redis_client):
        return RedisStateManager(redis_client, TTL)

    def limited(self, store, most):
        return RedisTurnStore(store.redis, **PATIENT, max_active_calls=most)

    async def expire(self, store, claim):
        await expire_in_redis(store.redis, claim)


class TestRedisTurnStoreWithKeys(WithKeys, TestRedisTurnStore):
    pass


class TestSplitTurnStore(TestRedisTurnStore):
    """As in a cluster: the shards in other slots than the calls."""

    @pytest.fixture
    def store(self, redis_client):
        return RedisTurnStore(redis_client, **PATIENT, listener="here", shards=keys.SHARDS)

    def limited(self, store, most):
        return RedisTurnStore(store.redis, **PATIENT, max_active_calls=most, shards=keys.SHARDS)


class TestSplitTurnStoreWithKeys(WithKeys, TestSplitTurnStore):
    pass


@pytest.mark.parametrize("wait", [None, ReplicaWait(1, 60_000)], ids=["at once", "with replicas"])
class TestTurnStoreInACluster(TestRedisTurnStore):
    @pytest.fixture
    async def redis_client(self, replicated_cluster):
        async with connect(Settings(redis_url=replicated_cluster.url)) as client:
            yield client

    @pytest.fixture
    def store(self, redis_client, wait):
        return RedisTurnStore(redis_client, **PATIENT, listener="here", wait=wait)

    @pytest.fixture
    def states(self, redis_client):
        return RedisStateManager(redis_client, TTL)


class TestTurnStoreInAClusterWithKeys(TestTurnStoreInACluster):
    @pytest.fixture
    async def redis_client(self, replicated_cluster):
        settings = Settings(redis_url=replicated_cluster.url, state_encryption_keys=KEY)
        async with connect(settings) as client:
            yield client
            assert await unencrypted(client) == []


class TestRedisTurnStoreWithStatesElsewhere(TurnStoreContract):
    @pytest.fixture
    def store(self, redis_client):
        return RedisTurnStore(redis_client, **PATIENT, listener="here", states=InMemoryStateManager(TTL))

    @pytest.fixture
    def states(self, store):
        return store.states

    def limited(self, store, most):
        return RedisTurnStore(store.redis, **PATIENT, max_active_calls=most, states=store.states)

    async def expire(self, store, claim):
        await expire_in_redis(store.redis, claim)


@pytest.fixture
def store(redis_client):
    return RedisTurnStore(redis_client, **PATIENT, listener="here")


async def without_ttl(client: Redis) -> list[str]:
    return sorted([key.decode() async for key in client.scan_iter() if await client.ttl(key) == -1])


async def test_every_key_has_a_time_to_live_after_every_step(store, redis_client) -> None:
    async def check(step: str) -> None:
        assert await without_ttl(redis_client) == [], step

    await store.submit(a_turn("t1"), opening={}, stream=True)
    await check("submit")
    claim = await claimed(store)
    await check("claim")
    await redis_client.delete(keys.DUE)
    await store.renew([claim.lease])
    await check("renew")
    await redis_client.delete(keys.DUE)
    await store.submit(a_turn("t2"))
    await store.submit(a_turn("t3"))
    await store.reject("CA1", "t3")
    following = (await commit(store, claim)).next
    await check("commit and go on")
    await redis_client.delete(keys.DUE)
    await store.release(following)
    await check("release")
    await redis_client.delete(keys.DUE)
    following = await claimed(store)
    await check("claim again")
    await store.dead_letter(following, "reason")
    await store.find("CA1", "t1")
    await commit(store, following, "bye", hang_up=True)
    await store.call_queue.rescue()
    await check("the end")


async def test_a_turn_whose_wake_up_was_lost_is_rescued(store, redis_client) -> None:
    await store.submit(a_turn("t1"), opening={})
    await redis_client.delete(keys.QUEUE, keys.wake_list(), "arq:job:turns:CA1")
    await redis_client.zadd(keys.DUE, {"CA1": 1})
    assert await store.call_queue.rescue() == ["CA1"]
    assert await store.call_queue.rescue() == [], "it is not looked at again at once"
    assert await redis_client.zscore(keys.QUEUE, "turns:CA1")
    assert await redis_client.llen(keys.wake_list()) == 1


async def test_after_an_outage_leases_are_renewed_before_anybody_is_rescued(store, redis_client) -> None:
    rounds, grace = keys.SINGLE_SHARD.rounds, 3_600_000
    await store.submit(a_turn("t1"), opening={})
    claim = await claimed(store)
    assert await store.call_queue.rescue(grace_ms=grace) == [], "nobody has looked before"
    await redis_client.hset(keys.call("CA1").lease, "until", 0)
    await redis_client.zadd(keys.DUE, {"CA1": 1})
    await redis_client.delete(keys.QUEUE, keys.wake_list(), "arq:job:turns:CA1")
    assert await store.call_queue.rescue(grace_ms=grace) == [], "Redis was away for all"
    assert await store.renew([claim.lease]) == []
    await redis_client.hset(rounds, "from", 0)
    assert await store.call_queue.rescue(grace_ms=grace) == [], "it was renewed"
    await redis_client.zadd(keys.DUE, {"CA1": 1})
    assert await store.call_queue.rescue(grace_ms=grace) == ["CA1"], "others have looked all the time"
    await redis_client.zadd(keys.DUE, {"CA1": 1})
    await redis_client.delete(keys.QUEUE, "arq:job:turns:CA1")
    await redis_client.hset(rounds, "at", 0)
    back_again = RedisTurnStore(redis_client, **PATIENT)  # who has not seen either that Redis answers
    assert await back_again.call_queue.rescue(grace_ms=grace) == [], "and now they could not"
    assert await redis_client.ttl(rounds) > 0


async def test_a_call_with_a_living_lease_is_not_rescued(store) -> None:
    await store.submit(a_turn("t1"), opening={})
    await claimed(store)
    assert await store.call_queue.rescue() == []


async def test_who_listens_hears_tokens_and_the_result_and_nothing_of_an_old_epoch(store, redis_client) -> None:
    async with redis_client.pubsub() as pubsub:
        await pubsub.subscribe("here")
        await pubsub.get_message(timeout=60)
        await store.submit(a_turn("t1"), opening={}, stream=True)
        old = await claimed(store)
        await store.publish(old.lease, "t1", Piece(Position(), "one"))
        await expire_in_redis(redis_client, old)
        new = await claimed(store, holder="bert")
        await store.publish(old.lease, "t1", Piece(Position(3), "stale"))
        await store.publish(new.lease, "t1", Piece(Position(), "two"))
        await commit(store, old, "stale")
        await commit(store, new, "two")
        heard = [json.loads((await pubsub.get_message(timeout=60))["data"]) for _ in range(3)]
        assert [(m["e"], m.get("x")) for m in heard] == [(1, "one"), (2, "two"), (2, None)]
        assert await pubsub.get_message(timeout=0) is None


async def test_dead_letters_hold_the_turn_for_a_person(store, redis_client) -> None:
    await store.submit(a_turn("t1", text="boom"), opening={})
    await store.dead_letter(await claimed(store), "it took its worker down")
    letter = json.loads(await redis_client.hget(keys.DEAD_LETTERS, "CA1/t1"))
    assert (letter["turn"]["text"], letter["attempts"], letter["reason"]) == ("boom", 1, "it took its worker down")


async def test_in_memory_what_the_states_tell_outlives_the_process() -> None:
    first = InMemoryTurnStore(InMemoryStateManager(TTL))
    await first.submit(a_turn("t1"), opening={})
    await commit(first, await claimed(first), "bye", hang_up=True)
    again = InMemoryTurnStore(first.states)
    for asking in (again.find("CA1", "t1"), InMemoryTurnStore(first.states).submit(a_turn("t1"))):
        found = await asking
        assert isinstance(found, TurnResult)
        assert found.reply.text == "bye"
    assert await again.find("CA1", "t2") is None
    assert await again.find("CA2", "t1") is None
    with pytest.raises(CallEnded):
        await again.submit(a_turn("t2"))
    assert await again.claim("CA1", "anna") is None
