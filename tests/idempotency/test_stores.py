"""Idempotency records, in memory and in Redis: an order under one key is carried out once."""

import asyncio

import pytest
from redis.asyncio import Redis
from support.encrypted_redis import OTHER_KEY, unencrypted, with_keys

from orchestrator.errors import StoreUnavailable
from orchestrator.idempotency.redis import RedisIdempotencyStore
from orchestrator.idempotency.store import IdempotencyRecord, IdempotencyStore, MemoryIdempotencyStore
from orchestrator.redis import keys

Stores = tuple[IdempotencyStore, IdempotencyStore]


@pytest.fixture(params=["memory", "redis", "encrypted"])
def stores(request: pytest.FixtureRequest) -> Stores:
    """The store as two ingresses see it."""
    if request.param == "memory":
        one = MemoryIdempotencyStore()
        return one, one
    client: Redis = request.getfixturevalue("redis_client")
    if request.param == "encrypted":
        with_keys(client)
    return RedisIdempotencyStore(client), RedisIdempotencyStore(client)


async def test_a_record_is_one_for_all_ingresses(stores: Stores) -> None:
    here, there = stores
    assert await here.claim("key", "f1") is None
    assert await there.claim("key", "f2") == IdempotencyRecord("f1", "")
    await here.complete("key", IdempotencyRecord("f1", "CA1"))
    assert await there.claim("key", "f1") == IdempotencyRecord("f1", "CA1")
    await there.release("key")
    assert await here.claim("key", "f2") is None


async def test_what_an_order_was_about_is_encrypted(redis_client: Redis) -> None:
    store = RedisIdempotencyStore(with_keys(redis_client))
    assert await store.claim("key", "f1") is None
    assert await unencrypted(redis_client) == []
    await store.complete("key", IdempotencyRecord("f1", "CA1"))
    assert await unencrypted(redis_client) == []


async def test_an_order_whose_encryption_key_is_missing_is_refused_until_another_ingress_answers(
    redis_client: Redis, redis_url: str
) -> None:
    assert await RedisIdempotencyStore(with_keys(redis_client)).claim("key", "f1") is None
    async with Redis.from_url(redis_url) as client:
        with pytest.raises(StoreUnavailable, match="lacks the key"):
            await RedisIdempotencyStore(with_keys(client, OTHER_KEY)).claim("key", "f1")


async def test_of_many_who_claim_at_once_one_wins(stores: Stores) -> None:
    here, there = stores
    claims = await asyncio.gather(*((here, there)[n % 2].claim("key", "f") for n in range(20)))
    assert claims.count(None) == 1


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"answer": 7}', "null"])
async def test_a_record_that_cannot_be_read_is_one_of_an_unknown_outcome(redis_client: Redis, text: str) -> None:
    await redis_client.set(keys.idempotency_record("key"), text, ex=60)
    assert await RedisIdempotencyStore(redis_client).claim("key", "f1") == IdempotencyRecord("f1")


async def test_the_key_of_an_order_that_was_not_carried_out_is_free_again(stores: Stores) -> None:
    here, there = stores
    assert await here.claim("key", "f1") is None
    await here.release("key")
    assert await there.claim("key", "f1") is None
