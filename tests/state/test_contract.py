"""Every state manager of the product keeps the one contract."""

import pytest
from redis.asyncio import Redis
from support.encrypted_redis import unencrypted, with_keys

from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.redis.replicas import ReplicaWait
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.state.rollout import RolloutStateManager
from orchestrator.testing.state_manager_contract import StateManagerContract

TTL = 100


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def expire_in_redis(client: Redis, call_sid: str, calls: str = keys.ACTIVE_CALLS) -> None:
    """What the server does when the time has come: the key goes, the entry of the index is in the past."""
    await client.delete(keys.state(call_sid))
    if await client.zscore(calls, call_sid) is not None:
        await client.zadd(calls, {call_sid: 1})


class TestInMemoryStateManager(StateManagerContract):
    @pytest.fixture
    def clock(self):
        return Clock()

    @pytest.fixture
    def manager(self, clock):
        self.clock = clock
        return InMemoryStateManager(TTL, clock=clock)

    async def expire(self, manager: StateManagerBase, call_sid: str) -> None:
        self.clock.seconds += TTL


@pytest.mark.parametrize("decodes", [True, False], ids=["decoding", "bytes"])
class TestRedisStateManager(StateManagerContract):
    @pytest.fixture
    async def client(self, redis_url, decodes):
        async with Redis.from_url(redis_url, decode_responses=decodes) as client:
            yield client

    @pytest.fixture
    async def manager(self, client):
        self.client = client
        return RedisStateManager(client, TTL)

    async def expire(self, manager: StateManagerBase, call_sid: str) -> None:
        await expire_in_redis(self.client, call_sid)


class TestRedisStateManagerWithKeys(TestRedisStateManager):
    @pytest.fixture
    async def client(self, redis_url, decodes):
        async with Redis.from_url(redis_url, decode_responses=decodes) as client:
            yield with_keys(client)
            assert await unencrypted(client) == []


@pytest.mark.parametrize("wait", [None, ReplicaWait(1, 1000)], ids=["at once", "with replicas"])
@pytest.mark.parametrize("decodes", [True, False], ids=["decoding", "bytes"])
class TestClusterStateManager(StateManagerContract):
    @pytest.fixture
    async def manager(self, replicated_cluster, decodes, wait):
        self.client = connect(Settings(redis_url=replicated_cluster.url), decode_responses=decodes)
        yield RedisStateManager(self.client, TTL, wait=wait)
        await self.client.aclose()

    async def expire(self, manager: StateManagerBase, call_sid: str) -> None:
        await expire_in_redis(self.client, call_sid, keys.shard_of(keys.SHARDS, call_sid).calls)


@pytest.mark.parametrize("percent", [0, 50, 100])
class TestRolloutStateManager(StateManagerContract):
    @pytest.fixture
    async def manager(self, redis_client, percent):
        self.client, self.clock = redis_client, Clock()
        memory = InMemoryStateManager(TTL, clock=self.clock)
        return RolloutStateManager(RedisStateManager(redis_client, TTL), memory, percent)

    async def expire(self, manager: StateManagerBase, call_sid: str) -> None:
        await expire_in_redis(self.client, call_sid)
        self.clock.seconds += TTL


async def test_without_the_hook_the_tests_of_expiry_are_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match="override `expire`"):
        await StateManagerContract().expire(InMemoryStateManager(), "CA1")
