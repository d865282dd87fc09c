"""The probe: a server that answers and refuses writes does not pass."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from support.cluster import ClusterTopology

from orchestrator.errors import StoreUnavailable
from orchestrator.redis.connections import ConnectionTimings, connect
from orchestrator.redis.probe import probe, probe_any
from orchestrator.settings import Settings

HASTY = ConnectionTimings(retry=0.2, failover=0.2)


async def test_a_server_whose_replicas_are_out_of_touch_fails_it(start_redis) -> None:
    server = start_redis("--min-replicas-to-write", "1")
    async with connect(Settings(redis_url=server.url)) as redis:
        for check in (probe, probe_any):
            with pytest.raises(StoreUnavailable, match="too few replicas are connected"):
                await check(redis)


async def test_a_replica_fails_it(start_redis) -> None:
    master = start_redis()
    replica = start_redis("--replicaof", "127.0.0.1", str(master.port))
    async with connect(Settings(redis_url=replica.url)) as redis:
        with pytest.raises(StoreUnavailable, match="takes no writes"):
            await probe(redis)


async def test_a_full_server_passes_it(start_redis) -> None:
    server = start_redis("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    async with connect(Settings(redis_url=server.url)) as redis:
        await probe(redis)
        await probe_any(redis)


async def test_what_it_leaves_behind_expires(redis_url) -> None:
    async with connect(Settings(redis_url=redis_url)) as redis:
        await probe(redis)
        names = await redis.keys("*")
        assert names
        assert all([await redis.ttl(name) > 0 for name in names])


class TestCluster:
    @pytest.fixture
    def cluster(self) -> Iterator[ClusterTopology]:
        with ClusterTopology("--cluster-require-full-coverage", "no") as cluster:
            yield cluster

    @pytest.fixture
    async def redis(self, cluster: ClusterTopology) -> AsyncIterator[Redis]:
        async with connect(Settings(redis_url=cluster.url), timings=HASTY) as redis:
            yield redis

    @pytest.mark.processes
    async def test_each_master_is_asked_for_a_write(self, cluster: ClusterTopology, redis: Redis) -> None:
        await probe(redis)
        assert all(cluster.ask(node, "DBSIZE") == 1 for node in cluster.nodes)
        cluster.ask(cluster.nodes[1], "CONFIG", "SET", "min-replicas-to-write", "1")
        with pytest.raises(StoreUnavailable, match="too few replicas are connected"):
            await probe(redis)
        await probe_any(redis)
        for node in cluster.nodes:
            cluster.ask(node, "CONFIG", "SET", "min-replicas-to-write", "1")
        with pytest.raises(StoreUnavailable, match="too few replicas are connected"):
            await probe_any(redis)

    @pytest.mark.processes
    async def test_where_no_node_answers_it_fails(self, cluster: ClusterTopology, redis: Redis) -> None:
        for node in cluster.nodes:
            node.kill()
        for check in (probe, probe_any):
            with pytest.raises(StoreUnavailable, match="refuses the connection"):
                await check(redis)
