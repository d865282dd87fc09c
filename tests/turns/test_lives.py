"""How long what belongs to a call is kept in Redis, once it is at rest and once it is over."""

from typing import Any

import pytest
from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.testing.example_turns import a_turn, claimed, commit
from orchestrator.turns.redis.commits import RESULTS_MS
from orchestrator.turns.redis.store import RedisTurnStore

OPENING: dict[str, Any] = {"channel": "api"}
TTL, ENDED_TTL = 3600, 60
DAY = 86400
AFTER = 60
"""What belongs to a call outlives its state by so many seconds."""


@pytest.fixture(params=["one server", "shards elsewhere"])
def store(request: pytest.FixtureRequest, redis_client: Redis) -> RedisTurnStore:
    shards = keys.SHARDS if request.param == "shards elsewhere" else None
    return RedisTurnStore(redis_client, ttl_seconds=TTL, lease_seconds=60, ended_ttl_seconds=ENDED_TTL, shards=shards)


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
    store = RedisTurnStore(redis_client, ttl_seconds=TTL, lease_seconds=60)
    await store.submit(a_turn("t1"), opening=OPENING)
    await commit(store, await claimed(store), "bye", hang_up=True)
    assert (await lives(redis_client))["state"] > TTL - 60


async def test_a_lease_that_is_renewed_is_kept_and_so_is_due(redis_client) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=TTL, lease_seconds=60)
    await store.submit(a_turn("t1"), opening=OPENING)
    claim = await claimed(store)
    lease = keys.call("CA1").lease
    assert await redis_client.ttl(lease) > TTL - 60
    await redis_client.pexpire(lease, 20_000)
    await redis_client.pexpire(keys.DUE, 20_000)
    assert await store.renew([claim.lease]) == []
    assert await redis_client.ttl(lease) > AFTER - 30
    assert await redis_client.ttl(keys.DUE) > DAY - 60


async def test_each_turn_renews_the_record_of_the_lease_and_keeps_what_waits(store, redis_client) -> None:
    call = keys.call("CA1")
    await store.submit(a_turn("t1"), opening=OPENING)
    claim = await claimed(store)
    await redis_client.pexpire(call.lease, 60_000)
    await store.submit(a_turn("t2"))
    assert await redis_client.ttl(call.lease) > TTL - 60
    for name in ("lease", "inbox", "turns"):
        await redis_client.pexpire(getattr(call, name), 60_000)
    await commit(store, claim, "certainly")
    for name in ("lease", "inbox", "turns"):
        assert await redis_client.ttl(getattr(call, name)) > TTL - 60, name


async def test_every_call_that_is_added_renews_what_calls_share(redis_client) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=TTL, lease_seconds=60)
    await store.submit(a_turn("t1", "CA1"), opening=OPENING)
    for shared in (keys.ACTIVE_CALLS, keys.DUE, keys.QUEUE):
        await redis_client.pexpire(shared, 60_000)
    await store.submit(a_turn("t1", "CA2"), opening=OPENING)
    for shared in (keys.ACTIVE_CALLS, keys.DUE, keys.QUEUE):
        assert await redis_client.ttl(shared) > TTL, shared


async def test_the_index_outlives_the_states_that_are_written(redis_client) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=TTL, lease_seconds=60)
    await store.submit(a_turn("t1"), opening=OPENING)
    claim = await claimed(store)
    await redis_client.pexpire(keys.ACTIVE_CALLS, 60_000)
    await commit(store, claim)
    assert await redis_client.ttl(keys.ACTIVE_CALLS) > TTL


async def test_a_stream_is_noted_under_a_record_that_expires(store, redis_client) -> None:
    await store.submit(a_turn("t1"), opening=OPENING, stream=True)
    assert (await lives(redis_client))["lease"] > TTL - 60
    await redis_client.pexpire(keys.call("CA1").lease, 60_000)
    await store.submit(a_turn("t2", kind="ended"), stream=True)
    assert (await lives(redis_client))["lease"] > TTL - 60
    claim = await claimed(store)
    assert claim.streamed


@pytest.mark.parametrize("epoch", ["first", "", "-4", "1.5", "nan", "inf", "1e300", "99999999999999999999"])
async def test_an_epoch_that_is_no_count_begins_again(store, redis_client, epoch) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await redis_client.hset(keys.call("CA1").lease, "epoch", epoch)
    await redis_client.pexpire(keys.call("CA1").lease, 60_000)
    claim = await claimed(store)
    assert claim.lease.epoch == 1
    assert (await commit(store, claim)).status == "committed"
    await store.submit(a_turn("t2"))
    assert (await claimed(store)).lease.epoch == 2


async def test_a_turn_takes_few_commands(redis_client) -> None:
    """What the scripts of a turn call, counted; a command that only renews a life counts as any other."""
    store = RedisTurnStore(redis_client, ttl_seconds=TTL, lease_seconds=60, listener="voiceagent:ingress:here")
    await store.submit(a_turn("t0"), opening=OPENING)
    await commit(store, await claimed(store))
    before = await _called(redis_client)
    for number in range(10):
        await store.submit(a_turn(f"t{number + 1}"))
        await commit(store, await claimed(store))
    called = {name: (count - before.get(name, 0)) / 10 for name, count in (await _called(redis_client)).items()}
    assert called["pexpire"] < 11, called
    assert sum(called.values()) < 55, called


async def _called(client: Redis) -> dict[str, int]:
    figures = await client.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in figures.items()}
