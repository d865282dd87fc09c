"""Where the shard lies in other slots than the call, a step is two scripts: whoever dies between them loses nothing."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall, lua_script
from orchestrator.testing.turn_store_contract import a_turn, claimed, commit
from orchestrator.turns.redis.store import RedisTurnStore

TTL = 100
CALL = keys.call("CA1")
SHARD = keys.shard_of(keys.SHARDS, "CA1")
JOB = "turns:CA1"


@pytest.fixture
def store(redis_client: Redis) -> RedisTurnStore:
    return RedisTurnStore(redis_client, ttl_seconds=TTL, lease_seconds=60, listener="here", shards=keys.SHARDS)


async def _gone(*_: Any, **options: object) -> None:
    raise StoreUnavailable("the process died here")


async def _queued(redis: Redis) -> bool:
    return await redis.zscore(SHARD.queue, JOB) is not None


async def _forget_the_job(redis: Redis) -> None:
    """Somebody took it off the queue, and died."""
    await redis.delete(SHARD.queue, SHARD.wake, SHARD.job(JOB))


async def _make_due(redis: Redis) -> None:
    assert await redis.zadd(SHARD.due, {"CA1": 1}, xx=True, ch=True) == 1


def test_masters_that_share_the_slots_share_the_hubs() -> None:
    slots = [key_slot(shard.queue.encode()) for shard in keys.SHARDS]
    assert [slot * 16 // 16_384 for slot in slots] == list(range(16))
    for shard, slot in zip(keys.SHARDS, slots, strict=True):
        assert {key_slot(key.encode()) for key in (shard.calls, shard.due, shard.wake, shard.job(JOB))} == {slot}
    spread = [keys.shard_of(keys.SHARDS, f"CA{number}") for number in range(16_000)]
    assert all(800 < spread.count(shard) < 1200 for shard in keys.SHARDS)


async def test_who_dies_between_call_and_hub_has_acknowledged_nothing_and_a_retry_makes_it_whole(
    store, redis_client, monkeypatch
) -> None:
    with monkeypatch.context() as dying:
        dying.setattr(store.call_queue, "enqueue", _gone)
        with pytest.raises(StoreUnavailable):
            await store.submit(a_turn("t1"), opening={})
    assert not await _queued(redis_client)
    assert await store.submit(a_turn("t1"), opening={}) is None
    assert await _queued(redis_client)
    assert await redis_client.zscore(SHARD.due, "CA1") is not None
    assert await redis_client.lrange(CALL.inbox, 0, -1) == [b"t1"]


async def test_after_an_outage_leases_are_renewed_before_anybody_is_rescued(store, redis_client) -> None:
    grace = 3_600_000
    await store.submit(a_turn("t1"), opening={})
    await _forget_the_job(redis_client)
    await _make_due(redis_client)
    assert await store.call_queue.rescue(grace_ms=grace) == [], "nobody has looked before"
    assert await store.call_queue.rescue(grace_ms=grace) == [], "nor for long enough"
    await redis_client.hset(SHARD.rounds, "from", 0)
    assert await store.call_queue.rescue(grace_ms=grace) == ["CA1"]
    await _forget_the_job(redis_client)
    await _make_due(redis_client)
    await redis_client.hset(SHARD.rounds, "at", 0)
    back_again = RedisTurnStore(redis_client, ttl_seconds=TTL, lease_seconds=60, shards=keys.SHARDS)
    assert await back_again.call_queue.rescue(grace_ms=grace) == [], "the master was away"


async def test_a_job_taken_off_the_queue_by_one_who_died_is_put_back_when_the_call_is_due(store, redis_client) -> None:
    await store.submit(a_turn("t1"), opening={})
    await _forget_the_job(redis_client)
    assert await store.call_queue.rescue() == [], "not before somebody had the time to claim it"
    await _make_due(redis_client)
    assert await store.call_queue.rescue() == ["CA1"]
    assert await _queued(redis_client)
    assert await redis_client.llen(SHARD.wake) == 1
    assert await store.call_queue.rescue() == [], "it is not looked at again at once"


async def test_a_rescuer_that_dies_while_it_looks_leaves_the_call_to_the_next(store, redis_client, monkeypatch) -> None:
    await store.submit(a_turn("t1"), opening={})
    await _forget_the_job(redis_client)
    await _make_due(redis_client)
    with monkeypatch.context() as dying:
        run = store.connection.run

        async def gone_before_it_settles(call: ScriptCall[Any]) -> Any:
            return await (_gone() if call.script == lua_script("settle_due_call") else run(call))

        dying.setattr(store.connection, "run", gone_before_it_settles)
        assert await store.call_queue.rescue() == []
    await _make_due(redis_client)
    assert await store.call_queue.rescue() == ["CA1"]


async def test_a_turn_that_comes_after_the_rescuer_found_none_stays_due(store, redis_client, monkeypatch) -> None:
    await store.submit(a_turn("t1"), opening={})
    await commit(store, await claimed(store))
    await _make_due(redis_client)
    run = store.connection.run

    async def overtaken(call: ScriptCall[Any]) -> Any:
        if call.script == lua_script("settle_due_call"):  # it has looked, and found the inbox empty
            await store.submit(a_turn("t2"))
        return await run(call)

    with monkeypatch.context() as racing:
        racing.setattr(store.connection, "run", overtaken)
        assert await store.call_queue.rescue() == []
    assert await redis_client.zscore(SHARD.due, "CA1") is not None
    await _forget_the_job(redis_client)
    await _make_due(redis_client)
    assert await store.call_queue.rescue() == ["CA1"]


async def test_a_held_call_is_looked_at_when_its_lease_ends(store, redis_client) -> None:
    await store.submit(a_turn("t1"), opening={})
    await claimed(store)
    await _make_due(redis_client)
    assert await store.call_queue.rescue() == []
    until = float(await redis_client.hget(CALL.lease, "until"))
    assert abs(await redis_client.zscore(SHARD.due, "CA1") - until) < 500
    await redis_client.hset(CALL.lease, "until", 1)
    await _forget_the_job(redis_client)
    await _make_due(redis_client)
    assert await store.call_queue.rescue() == ["CA1"]


async def test_a_turn_that_was_put_off_is_left_alone_meanwhile(store, redis_client) -> None:
    await store.submit(a_turn("t1"), opening={})
    await _forget_the_job(redis_client)
    await store.retry_later(await claimed(store), 60)
    await _make_due(redis_client)
    assert await store.call_queue.rescue() == []
    assert not await _queued(redis_client)
    seconds, _ = await redis_client.time()
    assert await redis_client.zscore(SHARD.due, "CA1") / 1000 > seconds + 30


async def test_turns_left_behind_by_a_commit_or_a_release_are_queued(store, redis_client) -> None:
    await store.submit(a_turn("t1"), opening={})
    await store.submit(a_turn("t2"))
    await _forget_the_job(redis_client)
    assert (await commit(store, await claimed(store), keep=False)).next is None
    assert await _queued(redis_client)
    await _forget_the_job(redis_client)
    await store.release(await claimed(store))
    assert await _queued(redis_client)


async def test_a_call_without_turns_is_due_no_more_and_stands_in_the_index_as_long_as_its_state_lives(
    store, redis_client
) -> None:
    await store.submit(a_turn("t1"), opening={})
    await commit(store, await claimed(store))
    await redis_client.zadd(SHARD.calls, {"CA1": 1})
    await _make_due(redis_client)
    await store.call_queue.rescue()
    assert await redis_client.zscore(SHARD.due, "CA1") is None
    seconds, _ = await redis_client.time()
    assert abs(await redis_client.zscore(SHARD.calls, "CA1") - seconds - TTL) < 20


async def test_a_call_that_is_over_leaves_the_index_even_if_its_worker_could_not_say_so(
    store, redis_client, monkeypatch
) -> None:
    await store.submit(a_turn("t1"), opening={})
    monkeypatch.setattr(store.call_queue, "call_ended", _gone)
    assert (await commit(store, await claimed(store), "bye", hang_up=True)).status == "committed"
    assert await redis_client.zscore(SHARD.calls, "CA1") is not None
    await _make_due(redis_client)
    await store.call_queue.rescue()
    assert await redis_client.zscore(SHARD.calls, "CA1") is None


async def test_a_waiting_turn_that_its_hub_has_forgotten_is_found_by_who_waits_for_it(store, redis_client) -> None:
    """As after a failover of the shard's master that lost its last writes."""
    await store.submit(a_turn("t1"), opening={})
    await redis_client.delete(SHARD.due, SHARD.calls)
    await _forget_the_job(redis_client)
    await store.call_queue.ensure_due("CA1")
    await store.call_queue.ensure_due("CA1")
    assert await store.call_queue.rescue() == ["CA1"]


async def test_a_shard_that_does_not_answer_keeps_no_other_from_being_rescued(store, redis_client, monkeypatch) -> None:
    await store.submit(a_turn("t1"), opening={})
    await _forget_the_job(redis_client)
    await _make_due(redis_client)
    command = store.connection.command
    away = {shard.due for shard in keys.SHARDS if shard is not SHARD}

    async def partly(*words: Any) -> Any:
        if away.intersection(words):
            raise StoreUnavailable("its master is away")
        return await command(*words)

    monkeypatch.setattr(store.connection, "command", partly)
    assert await store.call_queue.rescue() == ["CA1"]
    away.add(SHARD.due)
    with pytest.raises(StoreUnavailable):
        await store.call_queue.rescue()


async def test_every_key_of_the_hub_expires(store, redis_client) -> None:
    await store.submit(a_turn("t1"), opening={})
    await redis_client.delete(SHARD.due)
    await store.call_queue.ensure_due("CA1")
    await store.call_queue.rescue()
    await asyncio.gather(*(store.submit(a_turn("t1", call_sid=f"CB{n}"), opening={}) for n in range(50)))
    without_ttl = [key async for key in redis_client.scan_iter() if await redis_client.ttl(key) == -1]
    assert without_ttl == []
