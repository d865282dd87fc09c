"""With REDIS_WAIT_REPLICAS, nobody hears of what a replica has not confirmed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from support.servers import RedisServer
from support.waiting import wait_until

from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnconfirmed
from orchestrator.health.redis import read_system_status
from orchestrator.idempotency.redis import RedisIdempotencyStore
from orchestrator.redis.breaker import TRIPS_AFTER, Breaker
from orchestrator.redis.replicas import ReplicaWait
from orchestrator.state.redis import RedisStateManager
from orchestrator.state.write_back import write_back
from orchestrator.turns.messages import Settled, read_to_ingress
from orchestrator.turns.outcome import committed_state
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.runner import TurnRunner
from orchestrator.turns.store import Claim

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
        with pytest.raises(StoreUnconfirmed, match="Only 0 of 1 replicas confirm"):
            await hasty.submit(second)
    with pytest.raises(StoreUnconfirmed):
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
        with pytest.raises(StoreUnconfirmed):
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


@pytest.fixture
async def runner(store) -> AsyncIterator[tuple[TurnRunner, list[str]]]:
    """One over a store that has little patience with replicas, and the turns that its agent has seen."""
    seen: list[str] = []

    async def noting(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        seen.append(turn.turn_id)
        yield "Hello!"

    hasty = RedisTurnStore(store.redis, ttl_seconds=100, lease_seconds=60, wait=ReplicaWait(1, 200))
    async with AgentHost() as host:
        yield TurnRunner(hasty, Agent("noting", noting, isolation="inline"), host, agent_timeout_seconds=60), seen


async def test_an_agent_begins_once_a_replica_knows_that_the_turn_is_ours(store, pair, runner) -> None:
    (runner, seen), (_, replica) = runner, pair
    await store.submit(TURN, opening={})
    replica.pause()
    running = asyncio.create_task(runner.run(await runner.store.claim("CA1", "worker")))
    with pytest.raises(StoreUnconfirmed):  # by now the runner has been refused as well
        await store_over(store.redis, wait_ms=300).submit(TURN)
    assert (seen, running.done()) == ([], False)
    await resume(replica)
    await running
    assert seen == ["t1"]
    assert (await store.find("CA1", "t1")).reply.text == "Hello!"


async def test_who_waits_for_that_lets_go_when_the_turn_is_anothers(store, pair, runner) -> None:
    (runner, seen), (_, replica) = runner, pair
    await store.submit(TURN, opening={})
    replica.pause()
    running = asyncio.create_task(runner.run(await runner.store.claim("CA1", "worker")))
    await wait_until(lambda: "CA1" in runner.running, "it has begun")
    runner.running["CA1"].stop("lost")
    await running
    await resume(replica)
    claim = await runner.store.claim("CA1", "worker")
    assert (seen, claim.attempt) == ([], 1)
    await store.redis.hset("{voiceagent:state:CA1}:lease", "epoch", 7)  # a failover gave it to another
    await runner.run(claim)
    assert seen == []


async def test_who_dies_before_it_could_begin_has_made_no_attempt(store, pair) -> None:
    await store.submit(TURN, opening={})
    lease = "{voiceagent:state:CA1}:lease"

    async def lost_by(holder: str) -> Claim:
        claim = await store.claim("CA1", holder)
        await store.redis.hset(lease, "until", 0)
        return claim

    assert [(await lost_by(f"dies-{n}")).attempt for n in range(3)] == [1, 1, 1]
    pair[1].pause()
    hasty = store_over(store.redis, wait_ms=200)
    for number in range(3):
        claim = await lost_by(f"waits-{number}")
        with pytest.raises(StoreUnconfirmed):
            await hasty.confirm(claim)
        await store.redis.hset(lease, "until", 0)
        assert claim.attempt == 1
    await resume(pair[1])
    for _ in range(2):
        begun = await store.claim("CA1", "begins")
        assert await store.confirm(begun)
        assert await store.confirm(begun), "as often as its answer is lost"
        await store.redis.hset(lease, "until", 0)
        assert begun.attempt == 1, "it lives"
    assert (await lost_by("dies-too")).attempt == 2
    alive = await store.claim("CA1", "alive")
    assert alive.attempt == 2
    await store.release(alive)
    assert (await store.claim("CA1", "last")).attempt == 2, "what was not counted is not taken back"


async def test_a_server_that_has_forgotten_the_scripts_is_taught_them(store, pair) -> None:
    await store.submit(TURN, opening={})
    pair[0].client().script_flush()
    assert await store.submit(TURN) is None


@pytest.fixture
def hasty(store) -> ReplicaWait:
    """A patience that a replica which is paused outlasts."""
    return ReplicaWait(1, 200)


async def resume(replica: RedisServer) -> None:
    replica.resume()
    await wait_until(lambda: replica.client().ping(), "the replica goes on")


async def test_a_state_is_written_and_read_once_a_replica_has_it(store, hasty, pair) -> None:
    _, replica = pair
    patient, states = (RedisStateManager(store.redis, wait=wait) for wait in (store.connection.replicas.wait, hasty))
    state = await patient.create_state("CA1", phase="one")
    assert replica.client().get("voiceagent:state:CA1") == state.model_dump_json()
    state = await patient.update_state(state.model_copy(update={"phase": "two"}))
    assert replica.client().get("voiceagent:state:CA1") == state.model_dump_json()
    replica.pause()
    with pytest.raises(StoreUnconfirmed):
        await states.update_state(state.model_copy(update={"phase": "three"}))
    with pytest.raises(StoreUnconfirmed):
        await states.create_state("CA2")
    with pytest.raises(StoreUnconfirmed):
        await states.get_confirmed_state("CA1")
    assert (await states.get_state("CA1")).phase == "three"
    await resume(replica)
    assert (await patient.get_confirmed_state("CA1")).phase == "three"
    assert await patient.get_confirmed_state("CA3") is None


async def test_a_call_is_back_once_a_replica_has_it_and_counts_once(store, hasty, pair) -> None:
    _, replica = pair
    patient, states = (RedisStateManager(store.redis, wait=wait) for wait in (store.connection.replicas.wait, hasty))
    base = await patient.create_state("CA1", slots={"seen": []})
    record = TurnRecord.of(TURN, "replied", Reply(text="Hello!"))
    ours = committed_state(base, base.model_copy(update={"slots": {"seen": ["hello"]}}), record)
    replica.pause()
    with pytest.raises(StoreUnconfirmed):
        await write_back(states, ours, base)
    await resume(replica)
    for _ in range(2):
        joined = await write_back(patient, ours, base)
        assert joined.slots == {"seen": ["hello"]}
        assert [turn.turn_id for turn in joined.turns] == ["t1"]
    replica.pause()
    lost = pair[0].client()
    with pytest.raises(StoreUnconfirmed):
        await write_back(states, ours, base)
    lost.set("voiceagent:state:CA1", base.model_dump_json(), ex=60)  # as after a failover to a replica without it
    await resume(replica)
    assert (await write_back(patient, ours, base)).slots == {"seen": ["hello"]}


async def test_replicas_that_are_away_do_not_open_the_breaker(store, hasty, pair) -> None:
    async def answers() -> None:
        await store.redis.ping()

    async with Breaker(answers) as breaker:
        guarded = RedisTurnStore(store.redis, ttl_seconds=100, wait=hasty, breaker=breaker)
        pair[1].pause()
        for _ in range(TRIPS_AFTER + 1):
            with pytest.raises(StoreUnconfirmed):
                await guarded.submit(TURN, opening={})
        assert not breaker.is_open
        assert breaker.seconds_since_unconfirmed < 60 < breaker.seconds_since_failure
        await guarded.waiting("CA1")
        pair[1].resume()


async def test_the_log_says_once_that_replicas_are_away_and_once_that_they_are_back(store, hasty, pair, caplog) -> None:
    caplog.set_level("INFO")
    guarded = RedisTurnStore(store.redis, ttl_seconds=100, wait=replace(hasty, quiet_seconds=0))
    pair[1].pause()
    for _ in range(3):
        with pytest.raises(StoreUnconfirmed):
            await guarded.submit(TURN, opening={})
    await resume(pair[1])

    async def is_taken() -> bool:
        with suppress(StoreUnconfirmed):
            await guarded.submit(TURN)
            return True
        return False

    await wait_until(is_taken, "it is confirmed")
    await guarded.submit(TURN)
    actions = [getattr(record, "action", "") for record in caplog.records]
    assert [action for action in actions if action.startswith("redis.")] == ["redis.unconfirmed", "redis.confirmed"]


async def test_health_is_degraded_while_replicas_are_away(store, hasty, pair) -> None:
    assert not (await read_system_status(store.redis, store.connection.replicas.wait)).degraded
    pair[1].pause()
    status = await read_system_status(store.redis, hasty)
    assert (status.redis_ok, status.degraded) == (True, True)
    assert "Only 0 of 1 replicas confirm" in status.redis_message
    assert not (await read_system_status(store.redis)).degraded  # nobody waits for them
    pair[1].resume()


async def test_an_order_that_replicas_have_not_confirmed_may_be_given_again(store, hasty, pair) -> None:
    _, replica = pair
    records = RedisIdempotencyStore(store.redis, store.connection.replicas.wait)
    assert await records.claim("taken", "f") is None
    replica.pause()
    for key in ("key", "taken"):
        with pytest.raises(StoreUnconfirmed):
            await RedisIdempotencyStore(store.redis, hasty).claim(key, "f")
    await resume(replica)
    assert await records.claim("key", "f") is None
    assert (await records.claim("taken", "f")).answer == ""
