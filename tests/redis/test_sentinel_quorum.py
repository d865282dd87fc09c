"""A master that no Sentinel with a quorum names is not worked with."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from support.sentinels import SentinelTopology
from support.waiting import wait_until

from orchestrator.redis import sentinels
from orchestrator.redis.connections import ConnectionTimings, connect
from orchestrator.redis.errors import explain
from orchestrator.settings import Settings

pytestmark = pytest.mark.processes

HASTY = ConnectionTimings(failover=0.2)


@pytest.fixture
def topology() -> Iterator[SentinelTopology]:
    with SentinelTopology() as topology:
        yield topology


@pytest.fixture
async def redis(topology: SentinelTopology) -> AsyncIterator[Redis]:
    async with connect(Settings(redis_url=topology.url), timings=HASTY) as redis:
        assert await redis.set("key", "value", ex=100)
        yield redis


def refusal_of(redis: Redis) -> Callable[[], "object"]:
    """Looks for what a write is refused with: a sentence, or "" while it is taken."""

    async def refused() -> str:
        try:
            await redis.set("key", "value", ex=100)
        except RedisConnectionError as error:
            return explain(error)
        return ""

    return refused


async def test_a_master_whose_sentinels_have_lost_their_quorum_is_left_until_they_have_it_again(topology, redis):
    for sentinel in topology.sentinels[1:]:
        sentinel.pause()
    assert "do not reach a quorum" in await wait_until(refusal_of(redis), "the master is left")
    async with connect(Settings(redis_url=topology.url), timings=HASTY) as newcomer:
        assert "do not reach a quorum" in await wait_until(refusal_of(newcomer), "nor is it taken by who comes new")
    topology.sentinels[1].resume()

    async def is_taken() -> bool:
        return not await refusal_of(redis)()

    await wait_until(is_taken, "two of three are enough")


async def test_sentinels_that_have_their_quorum_again_are_believed_once_they_have_heard_each_other(
    topology, redis, monkeypatch
):
    search = redis.connection_pool._search
    address = await search.master()
    for sentinel in topology.sentinels[1:]:
        sentinel.pause()
    await wait_until(refusal_of(redis), "the master is left")
    monkeypatch.setattr(sentinels, "REJOIN_SECONDS", 3600.0)
    topology.sentinels[1].resume()

    async def has_quorum() -> bool:
        await refusal_of(redis)()
        return search._doubted_until > 0

    await wait_until(has_quorum, "there is a quorum again")
    for _ in range(3):
        assert "do not reach a quorum" in await refusal_of(redis)()
    monkeypatch.setattr(search, "_named", ("127.0.0.1", 1))
    assert await search.master() == address, "who names another has heard the news"
    assert not await refusal_of(redis)()


async def test_a_master_is_left_when_no_sentinel_has_answered_for_too_long(topology, redis, monkeypatch):
    for sentinel in topology.sentinels:
        sentinel.pause()
    assert "no Sentinel that answers" in await wait_until(refusal_of(redis), "the master is left")
    topology.sentinels[0].resume()
    topology.sentinels[2].resume()

    async def is_taken() -> bool:
        return not await refusal_of(redis)()

    await wait_until(is_taken, "two of three are enough")


async def test_silent_sentinels_are_waited_for_as_long_as_no_other_master_can_have_been_named(
    topology, redis, monkeypatch
):
    for sentinel in topology.sentinels:
        sentinel.client().execute_command("SENTINEL SET", "mymaster", "down-after-milliseconds", 600_000)
    search = redis.connection_pool._search
    await search.master()
    for sentinel in topology.sentinels:
        sentinel.kill()
    monkeypatch.setattr(search, "_confirmed_at", search._confirmed_at - sentinels.SILENT_SECONDS)
    assert await redis.set("key", "value", ex=100)
    monkeypatch.setattr(search, "_confirmed_at", search._confirmed_at - 600)
    assert "no Sentinel that answers" in await refusal_of(redis)()


async def test_a_sentinel_that_forbids_the_question_is_trusted(topology, redis):
    port = topology.master().port
    allowed = ("-sentinel", "+sentinel|get-master-addr-by-name", "+sentinel|master")
    for sentinel in topology.sentinels:
        sentinel.client().execute_command("ACL SETUSER", "default", *allowed)
    search = redis.connection_pool._search
    assert await search.master() == ("127.0.0.1", port)


async def test_a_sentinel_that_knows_another_service_has_no_say_about_this_one(topology, redis):
    stranger, *others = topology.sentinels
    stranger.client().execute_command("SENTINEL REMOVE", "mymaster")
    assert not await refusal_of(redis)()
    for sentinel in others:
        sentinel.pause()
    assert "no Sentinel that answers" in await wait_until(refusal_of(redis), "the master is left")
