"""Multiplexing: many commands over one connection, also when it is cut, silent or answers with errors."""

import asyncio
from contextlib import suppress
from typing import Any

import hiredis
import pytest
import uvloop
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from support.proxy import FaultProxy
from support.servers import RedisServer, ServerFactory
from support.waiting import wait_until

from orchestrator.redis import multiplexed
from orchestrator.redis.commands import lost_answers, sender_for
from orchestrator.redis.connections import connect
from orchestrator.redis.multiplexed import CommandNotSent, MultiplexedConnection
from orchestrator.redis.script_call import LuaScript, ScriptCall
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.settings import load_settings


@pytest.fixture
async def client(redis_server: RedisServer) -> Any:
    """A client as the product makes it."""
    redis = connect(load_settings(redis_url=redis_server.url))
    redis_server.client().flushall()
    yield redis
    await redis.aclose()


async def connections(redis: Redis) -> int:
    return len(await redis.client_list())


async def test_many_commands_at_a_time_get_each_its_own_answer(client: Redis) -> None:
    send = sender_for(client)
    answers = await asyncio.gather(*(send("ECHO", str(number)) for number in range(500)))
    assert answers == [str(number).encode() for number in range(500)]


async def test_they_all_go_over_one_connection(client: Redis) -> None:
    send = sender_for(client)
    before = await connections(client)
    await asyncio.gather(*(send("PING") for _ in range(50)))
    assert await connections(client) == before + 1


async def test_an_error_is_raised_where_its_command_was_sent(client: Redis) -> None:
    send = sender_for(client)
    good, bad, other = await asyncio.gather(
        send("ECHO", "a"), send("LPUSH", "a"), send("ECHO", "b"), return_exceptions=True
    )
    assert (good, other) == (b"a", b"b")
    assert isinstance(bad, ResponseError)


async def test_who_is_cancelled_does_not_disturb_the_answers_of_the_others(client: Redis) -> None:
    send = sender_for(client)
    await send("PING")
    slow = asyncio.ensure_future(send("EVAL", "for i = 1, 2000000 do end return 'slow'", 0))
    after = asyncio.ensure_future(send("ECHO", "after"))
    await asyncio.sleep(0)
    slow.cancel()
    assert await after == b"after"
    assert await send("ECHO", "later") == b"later"
    assert slow.cancelled()


async def test_a_command_whose_connection_is_cut_is_sent_again(client: Redis) -> None:
    send = sender_for(client)
    own = await send("CLIENT", "ID")
    await client.execute_command("CLIENT", "KILL", "ID", own)
    assert await send("ECHO", "again") == b"again"
    assert await send("CLIENT", "ID") != own


async def test_those_that_waited_when_it_was_cut_are_sent_again_too(client: Redis) -> None:
    send = sender_for(client)
    own = await send("CLIENT", "ID")
    waiting = [asyncio.ensure_future(send("BLPOP", "nothing", 0.5)) for _ in range(1)]
    waiting += [asyncio.ensure_future(send("ECHO", str(number))) for number in range(20)]
    await asyncio.sleep(0)
    await client.execute_command("CLIENT", "KILL", "ID", own)
    assert (await asyncio.gather(*waiting))[1:] == [str(number).encode() for number in range(20)]


async def answers(connection: MultiplexedConnection) -> None:
    """Return once the server answers as fast as this connection demands."""

    async def has_answered() -> bool:
        with suppress(RedisError, OSError):
            return await connection.execute("PING") == b"PONG"
        return False

    await wait_until(has_answered, "the server answers in time")


async def test_a_server_that_falls_silent_is_given_up(start_redis: ServerFactory) -> None:
    server = start_redis()
    redis = connect(load_settings(redis_url=server.url))
    connection = MultiplexedConnection(redis.connection_pool, retry_seconds=0, answer_seconds=0.2)
    await answers(connection)
    server.pause()
    with pytest.raises(RedisTimeoutError):
        await connection.execute("PING")
    server.resume()
    await answers(connection)
    await redis.aclose()


async def test_a_server_that_is_restarted_is_found_again(start_redis: ServerFactory) -> None:
    server = start_redis()
    redis = connect(load_settings(redis_url=server.url))
    send = sender_for(redis)
    await send("PING")
    server.kill()
    with pytest.raises((RedisError, OSError)):
        await send("PING")
    server.start()
    assert await send("ECHO", "back") == b"back"
    await redis.aclose()


async def test_a_script_is_sent_whole_to_a_server_that_does_not_know_it(client: Redis) -> None:
    run, script = ScriptRunner(client).run, LuaScript.of("return {KEYS[1], ARGV[1]}")
    await client.script_flush()
    assert await run(ScriptCall(script, ["k"], ["a"], list)) == [b"k", b"a"]
    assert await run(ScriptCall(script, ["k"], ["b"], list)) == [b"k", b"b"]


async def test_large_commands_and_answers_pass(client: Redis) -> None:
    send = sender_for(client)
    value = b"x" * 3_000_000
    await asyncio.gather(*(send("SET", f"big{number}", value, "EX", 60) for number in range(5)))
    assert await send("GET", "big4") == value


async def test_closing_the_client_closes_its_multiplexed_connection(client: Redis, redis_client: Redis) -> None:
    send = sender_for(client)
    own = int(await send("CLIENT", "ID"))
    await client.aclose()
    async with asyncio.timeout(30):
        while any(int(each["id"]) == own for each in await redis_client.client_list()):
            await asyncio.sleep(0.01)


def test_a_connection_that_uvloop_has_just_lost_is_one_that_is_lost(redis_server: RedisServer) -> None:
    """Writing to it raises a RuntimeError there, not an OSError; the product runs on uvloop."""

    async def lose_and_go_on() -> None:
        async with connect(load_settings(redis_url=redis_server.url)) as redis:
            send = sender_for(redis)
            await send("PING")
            await redis.ping()
            pipeline = redis.connection_pool.multiplexed._pipeline
            (idle,) = redis.connection_pool._available_connections
            pipeline._transport.abort()
            idle._writer.transport.abort()
            with pytest.raises(RedisConnectionError):
                await pipeline.execute(b"*1\r\n$4\r\nPING\r\n")
            with pytest.raises(RedisConnectionError):
                await idle.send_packed_command([b"*1\r\n$4\r\nPING\r\n"], check_health=False)
            assert await redis.ping()
            assert await send("PING") == b"PONG"

    uvloop.run(lose_and_go_on())


class WrittenTo:
    """A connection's transport, and what was written to it, one entry a write."""

    def __init__(self, redis: Redis) -> None:
        pipeline = redis.connection_pool.multiplexed._pipeline
        self.writes: list[bytes] = []
        self._transport = pipeline._transport
        pipeline._transport = self

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def test_commands_of_one_iteration_are_written_together(client: Redis) -> None:
    send = sender_for(client)
    await send("PING")
    transport = WrittenTo(client)
    assert await asyncio.gather(*(send("ECHO", str(number)) for number in range(20))) == [b"%d" % n for n in range(20)]
    assert len(transport.writes) == 1
    await send("ECHO", "alone")
    await send("ECHO", "again")
    assert len(transport.writes) == 3


async def test_a_lone_command_is_written_in_the_iteration_that_follows(client: Redis) -> None:
    send = sender_for(client)
    await send("PING")
    transport = WrittenTo(client)
    answer = asyncio.ensure_future(send("PING"))
    await asyncio.sleep(0)  # it runs up to its answer
    await asyncio.sleep(0)
    assert len(transport.writes) == 1
    await answer


async def test_what_is_joined_is_bounded(client: Redis) -> None:
    send = sender_for(client)
    await send("PING")
    transport = WrittenTo(client)
    size = multiplexed.JOINED_BYTES // 4
    await asyncio.gather(*(send("ECHO", b"x" * size) for _ in range(12)))
    assert len(transport.writes) > 1
    assert max(map(len, transport.writes)) <= multiplexed.JOINED_BYTES + size + 100


async def test_callers_wait_while_too_much_is_unwritten_joined_or_not(start_redis: ServerFactory) -> None:
    server = start_redis()
    async with connect(load_settings(redis_url=server.url)) as redis:
        send = sender_for(redis)
        await send("PING")
        pipeline = redis.connection_pool.multiplexed._pipeline
        unwritten: list[int] = []
        enqueue = pipeline._enqueue

        def noted(*arguments: Any) -> None:
            unwritten.append(pipeline._transport.get_write_buffer_size() + sum(map(len, pipeline._unsent)))
            enqueue(*arguments)

        pipeline._enqueue = noted
        server.pause()
        command = b"x" * 50_000
        sending = [asyncio.ensure_future(send("ECHO", command)) for _ in range(400)]
        await asyncio.sleep(0)
        server.resume()
        assert await asyncio.gather(*sending) == [command] * 400
        assert multiplexed.FULL_BYTES - 200_000 < max(unwritten) <= multiplexed.FULL_BYTES


async def test_who_is_cancelled_before_the_write_does_not_disturb_the_others(client: Redis) -> None:
    send = sender_for(client)
    await send("PING")
    first, second, third = (asyncio.ensure_future(send("ECHO", name)) for name in "abc")
    await asyncio.sleep(0)
    second.cancel()
    assert [await first, await third] == [b"a", b"c"]
    assert second.cancelled()
    assert await send("ECHO", "later") == b"later"


RUNS = {"asyncio": asyncio.run, "uvloop": uvloop.run}


@pytest.mark.parametrize("loop", RUNS)
def test_a_command_that_was_not_written_when_the_connection_was_lost_has_not_run(
    redis_server: RedisServer, loop: str
) -> None:
    async def lose_before_the_write() -> None:
        async with connect(load_settings(redis_url=redis_server.url)) as redis:
            send = sender_for(redis)
            await send("SET", "counter", 0, "EX", 60)
            counting = [asyncio.ensure_future(send("INCR", "counter")) for _ in range(3)]
            await asyncio.sleep(0)
            redis.connection_pool.multiplexed._pipeline._transport.abort()
            assert sorted(await asyncio.gather(*counting)) == [1, 2, 3]
            assert lost_answers(redis) == 0

    RUNS[loop](lose_before_the_write())


@pytest.mark.parametrize("loop", RUNS)
def test_a_failure_tells_those_that_were_written_from_those_that_were_not(redis_server: RedisServer, loop: str) -> None:
    async def fail_between() -> None:
        async with connect(load_settings(redis_url=redis_server.url)) as redis:
            await sender_for(redis)("PING")
            pipeline = redis.connection_pool.multiplexed._pipeline
            packed = hiredis.pack_command(("BLPOP", "nothing", "60"))
            written = asyncio.ensure_future(pipeline.execute(packed))
            await asyncio.sleep(0)
            pipeline._write_unsent()
            unwritten = asyncio.ensure_future(pipeline.execute(packed, asking=True))
            await asyncio.sleep(0)
            pipeline._fail(RedisTimeoutError("too late"))
            late = asyncio.ensure_future(pipeline.execute(packed))
            outcomes = await asyncio.gather(written, unwritten, late, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [RedisTimeoutError, CommandNotSent, CommandNotSent]

    RUNS[loop](fail_between())


@pytest.mark.parametrize("trap", ["cut_before", "cut_after"])
async def test_a_command_that_was_written_counts_as_one_that_may_have_run(
    redis_server: RedisServer, redis_client: Redis, trap: str
) -> None:
    await redis_client.set("counter", 0, ex=60)
    async with FaultProxy(redis_server.port) as proxy, connect(load_settings(redis_url=proxy.url)) as redis:
        send = sender_for(redis)
        await send("PING")
        getattr(proxy, trap)("INCR")
        await send("INCR", "counter")
        assert lost_answers(redis) == 1
    assert await redis_client.get("counter") == (b"2" if trap == "cut_after" else b"1")


async def test_a_command_that_got_no_answer_in_time_counts_as_one_that_may_have_run(start_redis: ServerFactory) -> None:
    server = start_redis()
    async with connect(load_settings(redis_url=server.url)) as redis:
        connection = MultiplexedConnection(redis.connection_pool, retry_seconds=0, answer_seconds=0.2)
        await answers(connection)
        before = connection.lost_answers
        server.pause()
        with pytest.raises(RedisTimeoutError):
            await connection.execute("PING")
        server.resume()
        assert connection.lost_answers == before + 1
