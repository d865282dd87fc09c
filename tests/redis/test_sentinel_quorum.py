"""A master that no Sentinel with a quorum names is not worked with."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import pytest
from redis.asyncio import Redis
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from support.sentinels import SentinelTopology
from support.servers import RedisServer
from support.waiting import wait_until

from orchestrator.redis.connections import ConnectionTimings, connect
from orchestrator.redis.errors import explain
from orchestrator.redis.sentinels import REJOIN_SECONDS, MasterSearch
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


class Searching:
    """A search for the master, for which time passes when a test says so."""

    def __init__(self, topology: SentinelTopology) -> None:
        self._topology = topology
        self._now = 0.0
        hosts = [("127.0.0.1", sentinel.port) for sentinel in topology.sentinels]
        self._sentinels = Sentinel(hosts, sentinel_kwargs={"socket_timeout": 1})
        self.search = MasterSearch(self._sentinels, "mymaster", clock=lambda: self._now)

    def pass_time(self, seconds: float) -> None:
        self._now += seconds

    async def found(self) -> tuple[str, int] | None:
        """The master; None while there is none to be trusted."""
        with suppress(MasterNotFoundError):
            return await self.search.master()
        return None

    async def close(self) -> None:
        for sentinel in self._sentinels.sentinels:
            await sentinel.aclose()


@pytest.fixture
async def searching(topology: SentinelTopology) -> AsyncIterator[Searching]:
    searching = Searching(topology)
    yield searching
    await searching.close()


def quorum_of(sentinel: RedisServer) -> bool:
    """Whether it reaches as many others as a failover takes."""
    with sentinel.client() as client, suppress(ResponseError):
        client.execute_command("SENTINEL CKQUORUM", "mymaster")
        return True
    return False


async def regain_quorum(topology: SentinelTopology, searching: Searching) -> None:
    """The first two Sentinels, after a long time in which each saw none of the others."""
    for sentinel in topology.sentinels[1:]:
        sentinel.pause()
    await wait_until(lambda: not quorum_of(topology.sentinels[0]), "the quorum is lost")
    searching.pass_time(60)
    assert await searching.found() is None
    topology.sentinels[1].resume()
    for sentinel in topology.sentinels[:2]:
        await wait_until(lambda sentinel=sentinel: quorum_of(sentinel), "there is a quorum again")


async def test_sentinels_that_have_their_quorum_again_are_believed_after_a_while(topology, searching):
    address = await searching.found()
    await regain_quorum(topology, searching)
    for _ in range(3):
        with pytest.raises(MasterNotFoundError, match="have no quorum"):
            await searching.search.master()
    searching.pass_time(REJOIN_SECONDS)
    assert await searching.found() == address


async def test_who_names_another_master_has_heard_the_news_and_is_believed_at_once(topology, searching):
    address = await searching.found()
    await regain_quorum(topology, searching)
    assert await searching.found() is None
    topology.sentinels[0].client().execute_command("SENTINEL FAILOVER", "mymaster")
    assert await wait_until(searching.found, "another master is named") != address


async def test_a_master_is_left_when_no_sentinel_has_answered_for_too_long(topology, redis):
    for sentinel in topology.sentinels:
        sentinel.pause()
    assert "no Sentinel that answers" in await wait_until(refusal_of(redis), "the master is left")
    topology.sentinels[0].resume()
    topology.sentinels[2].resume()

    async def is_taken() -> bool:
        return not await refusal_of(redis)()

    await wait_until(is_taken, "two of three are enough")


async def test_silent_sentinels_are_waited_for_as_long_as_no_other_master_can_have_been_named(topology, searching):
    for sentinel in topology.sentinels:
        sentinel.client().execute_command("SENTINEL SET", "mymaster", "down-after-milliseconds", 600_000)
    assert await searching.found()
    for sentinel in topology.sentinels:
        sentinel.kill()
    searching.pass_time(599)
    assert await searching.found() is None
    assert searching.search.is_trusted()
    searching.pass_time(1)
    assert not searching.search.is_trusted()
    assert "do not answer" in str(searching.search.refusal())


async def test_a_sentinel_that_forbids_the_question_is_trusted(topology, searching):
    port = topology.master().port
    allowed = ("-sentinel", "+sentinel|get-master-addr-by-name", "+sentinel|master")
    for sentinel in topology.sentinels:
        sentinel.client().execute_command("ACL SETUSER", "default", *allowed)
    assert await searching.found() == ("127.0.0.1", port)


async def test_a_sentinel_that_knows_another_service_has_no_say_about_this_one(topology, redis):
    stranger, *others = topology.sentinels
    stranger.client().execute_command("SENTINEL REMOVE", "mymaster")
    assert not await refusal_of(redis)()
    for sentinel in others:
        sentinel.pause()
    assert "no Sentinel that answers" in await wait_until(refusal_of(redis), "the master is left")
