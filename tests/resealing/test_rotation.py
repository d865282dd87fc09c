"""Everything in Redis can be encrypted under another key, while calls go on."""

import asyncio
import json
from contextlib import nullcontext

import pytest
from redis.asyncio import Redis
from support.encrypted_redis import KEY, OTHER_KEY, unencrypted, with_keys

from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import Cipher
from orchestrator.encryption.keys import key_list
from orchestrator.events.outbox import StoppedSink
from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.idempotency.redis import RedisIdempotencyStore
from orchestrator.idempotency.store import IdempotencyRecord
from orchestrator.redis import keys
from orchestrator.redis.cluster import masters_of, shards_of
from orchestrator.redis.connections import connect
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.resealing.rotation import key_use, rotate
from orchestrator.seal_keys.redis import RedisSealKeys
from orchestrator.sensitive_turns.hiding import hidden, opened
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_events import DEAD, an_event, announcement, delivery, failed, head_of
from orchestrator.testing.example_turns import OPENING, a_turn, claimed, commit
from orchestrator.testing.schedule_contract import ROOM, a_message, a_timer, written
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from orchestrator.turns.redis.store import RedisTurnStore

pytestmark = pytest.mark.processes

FIRST, SECOND = key_list(KEY).all[0].id.hex(), key_list(OTHER_KEY).all[0].id.hex()
TTL = 3600
SECRET = Turn(turn_id="s1", call_sid="CA1", kind="speech", text="4242 4242")


@pytest.fixture
def redis_url(each_redis_url: str) -> str:
    return each_redis_url


@pytest.fixture
def redis_client(each_redis_client: Redis) -> Redis:
    return each_redis_client


def connection_of(redis: Redis) -> StoreConnection:
    return StoreConnection(redis, nullcontext)


def store_of(redis: Redis) -> RedisTurnStore:
    return RedisTurnStore(redis, ttl_seconds=TTL, sinks=("file",), shards=shards_of(redis))


async def fill(redis: Redis, words: Cipher) -> None:
    """Leave something in every place."""
    store = store_of(redis)
    await store.submit(a_turn("t1"), opening=OPENING)
    await commit(store, await claimed(store), "hello")
    await store.submit(hidden(SECRET, words))
    state = await RedisStateManager(redis, TTL).get_state("CA1")
    assert state is not None
    await RedisStateManager(redis, TTL).update_state(state.model_copy(update={"slots": {"name": "Ada"}}))
    outbox = store.outbox
    await outbox.accept(announcement(head_of(state), an_event("one"), an_event("two")))
    held = await delivery(outbox)
    await outbox.settle(held.lease, "file", 1, DEAD)
    await outbox.settle(held.lease, "file", 2, failed(60))
    await outbox.stop_sink(StoppedSink("file", "fp", "It is gone.", 1.0))
    await written(store.schedule, a_timer(), a_message())
    await RedisDeadLetters(redis).put(DeadLetter(turn=hidden(SECRET, words), attempts=3, reason="It failed."))
    orders = RedisIdempotencyStore(redis)
    await orders.claim("order", "f1")
    await orders.complete("order", IdempotencyRecord("f1", "CA1"))
    await RedisSealKeys(redis, nullcontext).exchange("the key of the seal", ["one that was used before"])


async def check(redis: Redis, words: Cipher) -> None:
    """All that `fill` has left can be read."""
    store = store_of(redis)
    state = await RedisStateManager(redis, TTL).get_state("CA1")
    assert state is not None
    assert state.slots == {"name": "Ada"}
    one, two = await store.outbox.undelivered("CA1")
    assert [one.entry.event.data["text"], two.entry.event.data["text"]] == ["one", "two"]
    assert (one.error, two.error) == ("It said no.", "It does not answer.")
    assert [it.reason for it in await store.outbox.stopped_sinks()] == ["It is gone."]
    assert len(await store.schedule.claim("CA1", "anna", ROOM)) == 2
    (letter,) = await RedisDeadLetters(redis).all()
    assert opened(letter.turn, words).text == SECRET.text
    assert await RedisIdempotencyStore(redis).claim("order", "f1") == IdempotencyRecord("f1", "CA1")
    shared = await RedisSealKeys(redis, nullcontext).exchange("another")
    assert shared.current == "the key of the seal"
    assert shared.others == ("one that was used before",)
    assert opened((await claimed(store)).turn, words).text == SECRET.text


async def lives_in(redis: Redis) -> dict[bytes, int]:
    """How long each key lives (ms)."""
    return {key: await redis.pttl(key) for master in await masters_of(redis) async for key in master.scan_iter()}


def sensitive(text: str) -> Cipher:
    return Cipher(key_list(text))


async def test_everything_lies_under_the_new_key_afterwards_and_lives_as_long(redis_url: str, redis_client) -> None:
    await fill(with_keys(redis_client), sensitive(KEY))
    lives = await lives_in(redis_client)
    size = await redis_client.hget(keys.outbox("CA1"), "bytes")
    use = await key_use(connection_of(redis_client))
    assert use.key_ids == [FIRST]
    assert len(use.kinds) == 8
    settings = Settings(redis_url=redis_url, state_encryption_keys=f"{OTHER_KEY},{KEY}")
    async with connect(settings) as both:
        done = await rotate(connection_of(both), sensitive(f"{OTHER_KEY},{KEY}"))
        assert (done.left, done.resealed >= 10) == ({}, True)
        again = await rotate(connection_of(both), sensitive(f"{OTHER_KEY},{KEY}"))
        assert (again.left, again.resealed, again.looked_at) == ({}, 0, done.looked_at)
        assert (await key_use(connection_of(both))).key_ids == [SECOND]
    after = await lives_in(redis_client)
    assert lives.keys() == after.keys()
    assert all(lives[key] - 60_000 < after[key] <= lives[key] for key in lives)
    assert await redis_client.hget(keys.outbox("CA1"), "bytes") == size
    async with connect(Settings(redis_url=redis_url, state_encryption_keys=OTHER_KEY)) as new:
        await check(new, sensitive(OTHER_KEY))


async def test_what_was_plain_is_encrypted_and_what_was_encrypted_made_plain(redis_url: str, redis_client) -> None:
    await fill(redis_client, sensitive(KEY))
    async with connect(Settings(redis_url=redis_url, state_encryption_keys=f"{KEY},plain")) as begun:
        assert (await key_use(connection_of(begun))).counts["events", "plain"] > 0
        assert not (await rotate(connection_of(begun), sensitive(KEY))).left
        assert await unencrypted(begun) == []
        entries = await begun.hgetall(keys.outbox("CA1"))
        assert int(entries[b"bytes"]) == sum(len(value) for name, value in entries.items() if name[:2] == b"e:")
    async with connect(Settings(redis_url=redis_url, state_encryption_keys=f"plain,{KEY}")) as ended:
        assert not (await rotate(connection_of(ended), sensitive(KEY))).left
    await check(redis_client, sensitive(KEY))


async def test_what_cannot_be_opened_is_left_and_said(redis_url: str, redis_client) -> None:
    await fill(with_keys(redis_client), sensitive(KEY))
    await redis_client.hset(keys.outbox("CA1"), "f:file", "no JSON")
    async with connect(Settings(redis_url=redis_url, state_encryption_keys=OTHER_KEY)) as other:
        done = await rotate(connection_of(other), sensitive(OTHER_KEY))
    assert done.resealed == 0
    assert done.left["It is damaged."] == 1
    assert done.left[f"STATE_ENCRYPTION_KEYS lacks the key {FIRST}."] > 5


async def test_a_value_that_changes_meanwhile_is_not_overwritten(redis_url: str, redis_client, monkeypatch) -> None:
    manager = RedisStateManager(with_keys(redis_client), TTL)
    state = await manager.create_state("CA1")
    async with connect(Settings(redis_url=redis_url, state_encryption_keys=f"{OTHER_KEY},{KEY}")) as both:
        connection = connection_of(both)
        run_all, has_changed = connection.run_all, asyncio.Event()

        async def change_first(calls):
            if not has_changed.is_set():
                has_changed.set()
                await manager.update_state(state.model_copy(update={"slots": {"name": "Ada"}}))
            return await run_all(calls)

        monkeypatch.setattr(connection, "run_all", change_first)
        done = await rotate(connection, None)
        assert (done.left, done.resealed) == ({}, 1), "the second pass has written the new one"
        changed = await RedisStateManager(both, TTL).get_state("CA1")
    assert changed is not None
    assert changed.slots == {"name": "Ada"}
    assert json.loads(await redis_client.get(keys.state("CA1")))["version"] == changed.version


async def test_heads_of_earlier_lives_are_written_anew_too(redis_url: str, redis_client) -> None:
    manager = RedisStateManager(with_keys(redis_client), TTL)
    outbox = RedisOutbox(connection_of(redis_client), shards_of(redis_client), sinks=("file",))
    await outbox.accept(announcement(head_of(await manager.create_state("CA1", from_number="+15550100"))))
    await redis_client.delete(keys.state("CA1"))
    await outbox.accept(announcement(head_of(await manager.create_state("CA1"))))
    async with connect(Settings(redis_url=redis_url, state_encryption_keys=f"{OTHER_KEY},{KEY}")) as both:
        assert not (await rotate(connection_of(both), None)).left
    async with connect(Settings(redis_url=redis_url, state_encryption_keys=OTHER_KEY)) as new:
        unended = await RedisOutbox(connection_of(new), shards_of(new), sinks=("file",)).unended("CA1")
    assert unended is not None
    assert unended.head.from_number == "+15550100"
