"""With REDIS_WAIT_REPLICAS, nobody hears of what a replica has not confirmed."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from support.servers import RedisServer
from support.waiting import wait_until

from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.state import TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable
from orchestrator.turns.messages import Settled, read_to_ingress
from orchestrator.turns.outcome import committed_state
from orchestrator.turns.redis_scripts import ReplicaWait
from orchestrator.turns.redis_store import RedisTurnStore

TURN = Turn(turn_id="t1", call_sid="CA1", kind="speech", text="hello")
CHANNEL = "voiceagent:ingress:one"


@pytest.fixture
async def pair(start_redis) -> tuple[RedisServer, RedisServer]:
    """A master and its replica."""
    master = start_redis("--repl-diskless-sync-delay", "0")
    replica = start_redis("--replicaof", "127.0.0.1", str(master.port))
    await wait_until(lambda: replica.client().info()["master_link_status"] == "up", "the replica is linked")
    return master, replica


@pytest.fixture
async def store(pair) -> AsyncIterator[RedisTurnStore]:
    async with Redis.from_url(pair[0].url, socket_timeout=30) as redis:
        yield store_over(redis, wait_ms=20_000)


def store_over(redis: Redis, wait_ms: int) -> RedisTurnStore:
    return RedisTurnStore(redis, ttl_seconds=100, lease_seconds=60, listener=CHANNEL, wait=ReplicaWait(1, wait_ms))


async def test_a_turn_is_acknowledged_once_a_replica_has_it(store, pair) -> None:
    _, replica = pair
    hasty = store_over(store.redis, wait_ms=200)
    assert await store.submit(TURN, opening={}) is None
    assert replica.client().exists("voiceagent:state:CA1")
    replica.pause()
    second = TURN.model_copy(update={"turn_id": "t2"})
    for _ in range(2):  # also the repetition, which writes nothing new
        with pytest.raises(StoreUnavailable, match="Only 0 of 1 replicas confirm"):
            await hasty.submit(second)
    with pytest.raises(StoreUnavailable):
        await hasty.find("CA1", "t1")
    replica.resume()
    await wait_until(lambda: replica.client().ping(), "the replica goes on")
    assert await store.submit(second) is None
    assert await store.find("CA1", "t2") == "waiting"
    assert await store.redis.llen("{voiceagent:state:CA1}:inbox") == 2


async def test_a_reply_is_told_once_a_replica_has_it(store, pair) -> None:
    _, replica = pair
    await store.submit(TURN, opening={})
    claim = await store.claim("CA1", "worker")
    record = TurnRecord.of(TURN, "replied", Reply(text="Hello!"), epoch=1)
    state = committed_state(claim.state, None, record)
    heard: list[Settled] = []
    async with store.redis.pubsub() as pubsub:
        await pubsub.subscribe(CHANNEL)
        replica.pause()
        with pytest.raises(StoreUnavailable):
            await store_over(store.redis, wait_ms=200).commit(claim, state, record)
        await asyncio.sleep(0)
        for _ in range(3):
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.05)
            assert message is None
        replica.resume()
        await wait_until(lambda: replica.client().ping(), "the replica goes on")
        commit = await store.commit(claim, state, record)
        assert commit.status == "recorded"
        found = await store.find("CA1", "t1")
        assert isinstance(found, TurnResult)

        await store.submit(second := TURN.model_copy(update={"turn_id": "t2"}))
        claim = await store.claim("CA1", "worker")
        record = TurnRecord.of(second, "replied", Reply(text="Again!"), epoch=2)
        assert (await store.commit(claim, committed_state(claim.state, None, record), record)).status == "committed"

        async def told() -> bool:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.05)
            if message is not None:
                heard.append(read_to_ingress(message["data"]))
            return bool(heard)

        await wait_until(told, "the reply is told")
        assert heard[0].result.reply.text == "Again!"


async def test_a_server_that_has_forgotten_the_scripts_is_taught_them(store, pair) -> None:
    await store.submit(TURN, opening={})
    pair[0].client().script_flush()
    assert await store.submit(TURN) is None
