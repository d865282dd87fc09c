"""What has changed among the active calls since the last look: in memory, in Redis, in a cluster, and joined."""

from typing import TypeVar

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.state.base import StateManagerBase
from orchestrator.state.call_feed import CallFeed, FeedPage, ListedCalls
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis.feed import RedisCallFeed
from orchestrator.state.redis.manager import RedisStateManager
from orchestrator.state.rollout import RolloutStateManager

MANY = 100
T = TypeVar("T")


@pytest.fixture(params=["memory", "redis", "sharded", pytest.param("cluster", marks=pytest.mark.processes), "rollout"])
def states(request: pytest.FixtureRequest) -> StateManagerBase:
    """A manager of each kind; "sharded" keeps the index of a cluster on one server."""
    if request.param == "memory":
        return InMemoryStateManager()
    if request.param == "cluster":
        return RedisStateManager(request.getfixturevalue("cluster_client"))
    client = request.getfixturevalue("redis_client")
    if request.param == "sharded":
        return RedisStateManager(client, shards=keys.SHARDS)
    if request.param == "rollout":
        return RolloutStateManager(RedisStateManager(client), InMemoryStateManager(), 50)
    return RedisStateManager(client)


async def read(feed: CallFeed, most: int = MANY) -> FeedPage:
    page = await feed.read(most)
    return FeedPage(sorted(page.written), sorted(page.gone), page.active)


async def write(states: StateManagerBase, call_sid: str) -> None:
    state = await states.get_state(call_sid)
    assert state is not None
    await states.update_state(state)


async def test_a_page_has_what_was_written_and_what_is_gone_since_the_one_before(states: StateManagerBase) -> None:
    for call_sid in ("a", "b", "c"):
        await states.create_state(call_sid)
    feed = states.follow_calls()
    assert await read(feed) == (["a", "b", "c"], [], 3)
    assert await read(feed) == ([], [], 3)
    await write(states, "b")
    await states.create_state("d")
    assert await read(feed) == (["b", "d"], [], 4)
    await states.delete_state("a")
    assert await read(feed) == ([], ["a"], 3)
    await states.delete_state("d")
    await states.create_state("e")
    assert await read(feed) == (["e"], ["d"], 3)


async def test_two_who_follow_the_calls_do_not_disturb_each_other(states: StateManagerBase) -> None:
    await states.create_state("a")
    one, other = states.follow_calls(), states.follow_calls()
    assert (await read(one)).written == ["a"]
    assert (await read(other)).written == ["a"]


@pytest.mark.parametrize("states", ["memory"], indirect=True)  # Redis knows times: writes may have the same one
async def test_of_too_many_calls_those_are_followed_that_were_written_last(states: StateManagerBase) -> None:
    for number in range(5):
        await states.create_state(f"call-{number}")
    feed = states.follow_calls()
    assert await read(feed, most=3) == (["call-2", "call-3", "call-4"], [], 5)
    await write(states, "call-0")
    assert await read(feed, most=3) == (["call-0"], ["call-2"], 5)


async def test_a_store_that_does_not_know_what_was_written_tells_all(states: StateManagerBase) -> None:
    await states.create_state("a")
    feed = ListedCalls(states.get_all_call_sids)
    assert await read(feed) == (["a"], [], 1)
    assert await read(feed) == (["a"], [], 1)
    await states.delete_state("a")
    assert await read(feed) == ([], ["a"], 0)


@pytest.mark.parametrize("states", ["redis", "sharded"], indirect=True)
async def test_in_redis_no_more_calls_are_followed_than_are_wanted(states: StateManagerBase) -> None:
    for number in range(5):
        await states.create_state(f"call-{number}")
    feed = states.follow_calls()
    first = await read(feed, most=3)
    assert (len(first.written), first.gone, first.active) == (3, [], 5)
    followed = set(first.written)
    for number in range(5):
        await write(states, f"call-{number}")
        page = await read(feed, most=3)
        followed = followed.difference(page.gone).union(page.written)
        assert (len(followed), page.active) == (3, 5)


async def test_strange_entries_of_the_index_hide_no_call(redis_client: Redis) -> None:
    states = RedisStateManager(redis_client)
    feed = states.follow_calls()
    await redis_client.zadd(keys.ACTIVE_CALLS, {"endless": "+inf", "past": "-inf", b"\xff": 9e9, "{x}": 9e9})
    await states.create_state("a")
    assert "a" in (await read(feed)).written
    await write(states, "a")
    assert "a" in (await read(feed)).written


class Interrupted(ScriptRunner):
    """Loses its connection at the reading of this number, counted from 1."""

    def __init__(self, redis: Redis, number: int) -> None:
        super().__init__(redis)
        self._left = number

    async def run(self, call: ScriptCall[T]) -> T:
        self._left -= 1
        if self._left == 0:
            raise ConnectionError
        return await super().run(call)


@pytest.mark.parametrize("number", [2, 3], ids=["the first", "the second"])
async def test_after_a_reading_that_failed_the_next_page_has_all_of_it(redis_client: Redis, number: int) -> None:
    """A reading is two where calls are gone: either may fail."""
    states = RedisStateManager(redis_client)
    for call_sid in ("a", "b"):
        await states.create_state(call_sid)
    feed = RedisCallFeed(Interrupted(redis_client, number), [keys.SINGLE_SHARD])
    assert await read(feed) == (["a", "b"], [], 2)
    await write(states, "b")
    await states.delete_state("a")
    with pytest.raises(StoreUnavailable):
        await feed.read(MANY)
    assert await read(feed) == (["b"], ["a"], 1)
    assert await read(feed) == ([], [], 1)
