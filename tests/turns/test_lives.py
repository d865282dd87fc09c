"""How long what belongs to a call is kept in Redis, once it is at rest and once it is over."""

from typing import Any

import pytest
from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.testing.example_turns import a_turn, claimed, commit
from orchestrator.turns.redis.store import RESULTS_MS, RedisTurnStore

OPENING: dict[str, Any] = {"channel": "api"}
TTL, ENDED_TTL = 3600, 60
AFTER = 60
"""What belongs to a call outlives its state by so many seconds."""


@pytest.fixture(params=["one server", "shards elsewhere"])
def store(request: pytest.FixtureRequest, redis_client: Redis) -> RedisTurnStore:
    shards = keys.SHARDS if request.param == "shards elsewhere" else None
    return RedisTurnStore(redis_client, ttl_seconds=TTL, ended_ttl_seconds=ENDED_TTL, shards=shards)


async def lives(client: Redis) -> dict[str, int]:
    """For how long each key of the call is kept (seconds)."""
    call = keys.call("CA1")
    return {name: await client.ttl(getattr(call, name)) for name in ("state", "turns", "lease")}


async def test_of_a_call_that_has_ended_nothing_is_kept_for_as_long_as_of_a_live_one(store, redis_client) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await commit(store, await claimed(store), "bye", hang_up=True)
    found = await lives(redis_client)
    assert 0 < found["state"] <= ENDED_TTL
    assert 0 < found["turns"] <= ENDED_TTL + AFTER
    assert 0 < found["lease"] <= ENDED_TTL + AFTER


async def test_the_results_of_a_call_at_rest_are_kept_for_a_few_minutes(store, redis_client) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await commit(store, await claimed(store), "certainly")
    found = await lives(redis_client)
    assert found["state"] > TTL - 60
    assert 0 < found["turns"] <= RESULTS_MS / 1000
    await store.submit(a_turn("t2"))
    assert (await lives(redis_client))["turns"] > TTL - 60  # a turn waits there


async def test_a_turn_whose_result_is_gone_is_answered_from_the_state(store, redis_client) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await commit(store, await claimed(store), "certainly")
    await redis_client.delete(keys.call("CA1").turns)
    assert await store.submit(a_turn("t1")) is None
    claim = await claimed(store)
    assert claim.state is not None
    record = claim.state.record_of("t1")
    assert record is not None
    assert record.reply.text == "certainly"


async def test_without_a_time_of_their_own_ended_calls_are_kept_as_long(redis_client) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=TTL)
    await store.submit(a_turn("t1"), opening=OPENING)
    await commit(store, await claimed(store), "bye", hang_up=True)
    assert (await lives(redis_client))["state"] > TTL - 60
