"""Commands over one connection to the master that Sentinels name."""

import asyncio
from contextlib import suppress

import pytest
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import ReadOnlyError, RedisError
from support.sentinels import SentinelTopology
from support.waiting import wait_until

from orchestrator.redis.commands import sender_for
from orchestrator.redis.connections import ConnectionTimings, connect
from orchestrator.settings import Settings

pytestmark = pytest.mark.processes

PATIENT = ConnectionTimings(failover=60)


async def test_many_commands_share_a_connection_and_survive_the_death_of_the_master() -> None:
    with SentinelTopology(password="pass") as topology:
        async with connect(Settings(redis_url=topology.url), timings=PATIENT) as redis:
            send = sender_for(redis)
            answers = await asyncio.gather(*(send("ECHO", str(number)) for number in range(50)))
            assert answers == [str(number).encode() for number in range(50)]
            assert len(await redis.client_list()) < 40
            await send("SET", "key", "value", "EX", 600)
            await redis.wait(1, 5000)
            topology.master().kill()
            assert await asyncio.wait_for(send("GET", "key"), 90) == b"value"


async def test_a_master_that_takes_writes_is_left_once_the_sentinels_name_another() -> None:
    with SentinelTopology() as topology:
        async with connect(Settings(redis_url=topology.url)) as redis:
            send = sender_for(redis)
            await send("SET", "key", "value", "EX", 600)
            former = topology.master()
            other = next(server for server in topology.servers if server is not former)
            other.client().execute_command("REPLICAOF", "NO", "ONE")
            for sentinel in topology.sentinels:
                sentinel.client().execute_command("SENTINEL", "REMOVE", "mymaster")
                sentinel.client().execute_command("SENTINEL", "MONITOR", "mymaster", "127.0.0.1", other.port, 2)

            async def is_written_there() -> bool:
                with suppress(RedisError, OSError):
                    await send("SET", "key", "again", "EX", 600)
                return other.client().get("key") == "again"

            await wait_until(is_written_there, "writes go to the other master", timeout=90)
            assert former.client().ping()


async def test_a_master_that_no_quorum_names_is_refused_at_once() -> None:
    with SentinelTopology() as topology:
        async with connect(Settings(redis_url=topology.url)) as redis:
            send = sender_for(redis)
            await send("SET", "key", "value", "EX", 600)
            for sentinel in topology.sentinels[1:]:
                sentinel.pause()

            async def is_refused() -> bool:
                try:
                    await send("SET", "key", "value", "EX", 600)
                except MasterNotFoundError:
                    return True
                return False

            await wait_until(is_refused, "the master is left", timeout=90)


async def test_what_a_demoted_master_refuses_is_tried_again() -> None:
    with SentinelTopology() as topology:
        async with connect(Settings(redis_url=topology.url), timings=PATIENT) as redis:
            send = sender_for(redis)
            await send("PING")
            master = topology.master()
            other = next(server for server in topology.servers if server.port != master.port)
            master.client().replicaof("127.0.0.1", str(other.port))
            try:
                assert await send("SET", "key", "value", "EX", 600)
            except ReadOnlyError:
                pytest.fail("the caller was told of a failover")
