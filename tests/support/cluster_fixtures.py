"""Clusters that the tests of a process share, because each takes three seconds to start, and clients on them.

A test that kills, freezes or configures a node starts a `ClusterTopology` of its own. Slots may be moved.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from support.cluster import ClusterTopology
from support.servers import RedisServer

from orchestrator.redis.connections import connect
from orchestrator.settings import Settings


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[ClusterTopology]:
    """Three masters. Use `cluster`, which empties it first."""
    with ClusterTopology() as topology:
        yield topology


@pytest.fixture(scope="session")
def shared_replicated_cluster() -> Iterator[ClusterTopology]:
    """Three masters with a replica each. Use `replicated_cluster`, which empties it first."""
    with ClusterTopology(replicas=1) as topology:
        yield topology


@pytest.fixture
def cluster(shared_cluster: ClusterTopology) -> ClusterTopology:
    """Three masters, empty."""
    shared_cluster.flush()
    return shared_cluster


@pytest.fixture
def replicated_cluster(shared_replicated_cluster: ClusterTopology) -> ClusterTopology:
    """Three masters with a replica each, empty."""
    shared_replicated_cluster.flush()
    return shared_replicated_cluster


@pytest.fixture
async def cluster_client(cluster: ClusterTopology) -> AsyncIterator[Redis]:
    """A client of `cluster` as the product makes it."""
    async with connect(Settings(redis_url=cluster.url)) as client:
        yield client


@pytest.fixture(params=["one server", "cluster"])
def each_redis_url(request: pytest.FixtureRequest, redis_server: RedisServer) -> str:
    """The URL of the shared server, then that of a shared cluster, emptied: for a test that is to run on both."""
    if request.param == "one server":
        redis_server.client().flushall()
        return redis_server.url
    cluster: ClusterTopology = request.getfixturevalue("cluster")
    return cluster.url


@pytest.fixture
async def each_redis_client(each_redis_url: str) -> AsyncIterator[Redis]:
    """A client of the server, or of the cluster, that `each_redis_url` names."""
    async with connect(Settings(redis_url=each_redis_url)) as client:
        yield client
