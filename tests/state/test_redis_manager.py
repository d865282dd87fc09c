"""What the manager leaves in Redis, and what it asks of the server."""

import asyncio
import json
import logging
from collections.abc import Awaitable

import pytest
from redis.asyncio import Connection, Redis
from support.waiting import wait_until

from orchestrator.conversation.state import ConversationState, EndRecord
from orchestrator.errors import StateConflict, StoreFull, StoreUnavailable, UnreadableState
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager, scripts


@pytest.fixture
def manager(redis_client: Redis) -> RedisStateManager:
    return RedisStateManager(redis_client, 100)


async def test_the_value_is_the_state_as_json_under_the_documented_key(manager, redis_client) -> None:
    state = await manager.create_state("CA:1", slots={"name": "Käse"})
    assert await redis_client.get("voiceagent:state:CA:1") == state.model_dump_json().encode()


async def test_the_life_is_an_hour_unless_told_otherwise(redis_client) -> None:
    await RedisStateManager(redis_client).create_state("CA1")
    assert 3590 < await redis_client.ttl(keys.state("CA1")) <= 3600


async def test_each_write_renews_the_life_of_the_state_and_of_its_entry(manager, redis_client) -> None:
    state = await manager.create_state("CA1")
    await redis_client.expire(keys.state("CA1"), 30)
    await redis_client.zadd(keys.ACTIVE_CALLS, {"CA1": 5})
    await manager.update_state(state)
    assert await redis_client.ttl(keys.state("CA1")) > 90
    seconds, _ = await redis_client.time()
    assert await redis_client.zscore(keys.ACTIVE_CALLS, "CA1") > seconds + 90


async def test_the_index_outlives_its_longest_lived_call(manager, redis_client) -> None:
    await RedisStateManager(redis_client, 500_000).create_state("CA1")
    await manager.create_state("CA2")
    assert await redis_client.ttl(keys.ACTIVE_CALLS) > 500_000


async def test_an_ended_call_leaves_the_index_and_keeps_its_state(manager, redis_client) -> None:
    state = await manager.create_state("CA1")
    state.ended = EndRecord(status="completed")
    await manager.update_state(state)
    assert await redis_client.zscore(keys.ACTIVE_CALLS, "CA1") is None
    assert await redis_client.ttl(keys.state("CA1")) > 90


async def test_a_call_that_has_ended_is_kept_for_a_time_of_its_own(redis_client) -> None:
    manager = RedisStateManager(redis_client, 100, ended_ttl_seconds=10)
    state = await manager.create_state("CA1")
    assert await redis_client.ttl(keys.state("CA1")) > 90
    state.ended = EndRecord(status="completed")
    await manager.update_state(state)
    assert 0 < await redis_client.ttl(keys.state("CA1")) <= 10


async def test_the_version_is_found_wherever_it_stands_in_the_json(manager, redis_client) -> None:
    state = await manager.create_state("CA1")
    shuffled = dict(reversed(json.loads(state.model_dump_json()).items()))
    await redis_client.set(keys.state("CA1"), json.dumps(shuffled), ex=100)
    assert (await manager.update_state(state)).version == 2
    with pytest.raises(StateConflict):
        await manager.update_state(state)


async def test_a_write_that_is_repeated_because_its_answer_was_lost_succeeds(manager, redis_client) -> None:
    state = await manager.create_state("CA1")
    written = await manager.update_state(state)
    again = scripts.update_state(
        call_sid="CA1",
        state_json=written.model_dump_json(),
        life_ms=100_000,
        is_active=True,
        expected=state.version,
        shard=keys.SINGLE_SHARD,
    )
    assert await ScriptRunner(redis_client).run(again) is True


async def test_delete_takes_all_that_belongs_to_the_call_but_the_epoch(manager, redis_client) -> None:
    call = keys.call("CA1")
    await manager.create_state("CA1")
    await redis_client.rpush(call.inbox, "t1")
    await redis_client.hset(call.turns, "t1", "P{}")
    await redis_client.zadd(call.listeners, {"someone": 1})
    await redis_client.hset(call.lease, mapping={"epoch": 7, "ended": 1})
    await redis_client.expire(call.lease, 100)
    await redis_client.zadd(keys.DUE, {"CA1": 1, "CA2": 1})
    await redis_client.expire(keys.DUE, 100)
    others = [keys.schedule("CA1"), keys.transfer_answers("CA1")]
    for other in others:
        await redis_client.hset(other, "field", "value")
    assert await manager.delete_state("CA1") is True
    assert await redis_client.exists(call.state, call.inbox, call.turns, call.listeners, *others) == 0
    assert await redis_client.hgetall(call.lease) == {b"epoch": b"7"}
    assert await redis_client.zrange(keys.DUE, 0, -1) == [b"CA2"]
    assert await manager.get_all_call_sids() == []


async def test_calls_deleted_by_hand_are_cleaned_off_the_index(manager, redis_client) -> None:
    for n in range(1200):
        await manager.create_state(f"CA{n}")
    await redis_client.delete(*(keys.state(f"CA{n}") for n in range(0, 1200, 2)))
    assert await manager.cleanup_expired() == 600
    assert await manager.get_active_calls_count() == 600


async def test_a_call_that_begins_anew_during_the_cleanup_stays(manager, redis_client) -> None:
    await manager.create_state("CA1")
    score = await redis_client.zscore(keys.ACTIVE_CALLS, "CA1")
    run, shard = ScriptRunner(redis_client).run, keys.SINGLE_SHARD
    assert await run(scripts.forget_calls(shard=shard, scores={"CA1": score - 1})) == 0
    assert await run(scripts.forget_calls(shard=shard, scores={"CA1": score})) == 1


async def test_each_operation_is_one_round_trip(manager, redis_client, monkeypatch) -> None:
    sent: list[object] = []
    send = Connection.send_packed_command

    async def counting(self: Connection, command: object, check_health: bool = True) -> None:
        sent.append(command)
        await send(self, command, check_health)

    async def trips(operation: Awaitable[object]) -> int:
        sent.clear()
        await operation
        return len(sent)

    for warmed in (False, True):  # the first use of a script loads it
        state = await manager.create_state("CA1")
        monkeypatch.setattr(Connection, "send_packed_command", counting)
        spent = [
            await trips(manager.update_state(state)),
            await trips(manager.get_state("CA1")),
            await trips(manager.get_active_calls_count()),
            await trips(manager.get_all_call_sids()),
            await trips(manager.delete_state("CA1")),
            await trips(manager.create_state("CA1")),
        ]
        await manager.delete_state("CA1")
        if warmed:
            assert spent == [1] * 6


async def test_scripts_come_back_after_the_server_forgot_them(manager, redis_client) -> None:
    await manager.create_state("CA1")
    await redis_client.script_flush()
    assert (await manager.create_state("CA2")).version == 1


async def test_the_documented_line_is_logged_once_a_call(manager, caplog) -> None:
    caplog.set_level(logging.INFO)
    await manager.create_state("CA1")
    await manager.create_state("CA1")
    [record] = [r for r in caplog.records if r.getMessage() == "Created conversation state in Redis"]
    assert (record.levelname, record.call_sid, record.action) == ("INFO", "CA1", "state.created")


async def test_a_server_that_is_gone_is_store_unavailable(start_redis) -> None:
    server = start_redis()
    client = connect(Settings(redis_url=server.url))
    manager = RedisStateManager(client)
    state = await manager.create_state("CA1")
    server.kill()
    outcomes = await asyncio.gather(
        manager.create_state("CA2"),
        manager.get_state("CA1"),
        manager.update_state(state),
        manager.delete_state("CA1"),
        manager.get_active_calls_count(),
        manager.get_all_call_sids(),
        manager.cleanup_expired(),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 7
    assert all(outcome.__cause__ is not None for outcome in outcomes)
    assert await manager.health_check() is False
    await manager.close()


async def test_a_manager_goes_on_when_the_server_is_back(start_redis) -> None:
    server = start_redis()
    manager = RedisStateManager(connect(Settings(redis_url=server.url)))
    await manager.create_state("CA1")
    server.restart(kill=True)
    assert await manager.get_state("CA1") is None
    assert (await manager.create_state("CA1")).version == 1
    await manager.close()


async def test_a_full_server_is_store_full_and_reading_goes_on(start_redis) -> None:
    server = start_redis("--maxmemory-policy", "noeviction")
    manager = RedisStateManager(connect(Settings(redis_url=server.url)))
    state = await manager.create_state("CA1")
    server.client().config_set("maxmemory", "1")
    with pytest.raises(StoreFull, match="no memory left"):
        await manager.create_state("CA2")
    with pytest.raises(StoreFull):
        await manager.update_state(state)
    assert await manager.get_state("CA1") == state
    assert await manager.create_state("CA1") == state
    assert await manager.delete_state("CA1") is True
    await manager.close()


async def test_the_server_expires_what_its_time_is_over(redis_client) -> None:
    manager = RedisStateManager(redis_client, 0.2)
    await manager.create_state("CA1")

    async def gone() -> bool:
        return await manager.get_state("CA1") is None and await manager.get_active_calls_count() == 0

    await wait_until(gone, "the call has expired")
    assert await manager.cleanup_expired() == 1


def test_the_version_stands_first_in_the_json() -> None:
    assert ConversationState(call_sid="CA1", version=3).model_dump_json().startswith('{"version":3,')


@pytest.mark.parametrize("text", ["xylophone", '{"version":1,"call_sid":"CA1","turns":"of no version"}', "[]"])
async def test_a_state_that_cannot_be_read_is_told_without_what_is_in_it(manager, redis_client, text) -> None:
    await redis_client.set("voiceagent:state:CA1", text, ex=60)
    for reading in (manager.get_state("CA1"), manager.create_state("CA1")):
        with pytest.raises(UnreadableState) as caught:
            await reading
        assert "cannot be read" in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("ttl_seconds", [0, -1, 1e20, float("nan")])
async def test_a_time_to_live_that_redis_cannot_keep_is_refused(redis_client, ttl_seconds) -> None:
    with pytest.raises(ValueError, match="ttl_seconds"):
        RedisStateManager(redis_client, ttl_seconds)


async def test_what_is_kept_alive_keeps_all_that_belongs_to_it(redis_client) -> None:
    manager, call = RedisStateManager(redis_client, 100), keys.call("CA1")
    await manager.create_state("CA1")
    await redis_client.rpush(call.inbox, "t1")
    await redis_client.expire(call.inbox, 160)
    assert await manager.keep_alive(["CA1"], 50)
    assert await redis_client.ttl(call.state) > 90, "it lives longer anyway"
    assert await manager.keep_alive(["CA1", "CA2"], 1000)
    assert 990 < await redis_client.ttl(call.state) <= 1000
    assert await redis_client.ttl(call.inbox) > 1050
    assert await redis_client.zcount(keys.ACTIVE_CALLS, (await redis_client.time())[0] + 990, "+inf") == 1
    assert await redis_client.exists(keys.state("CA2")) == 0
