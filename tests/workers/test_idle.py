"""What processes that have nothing to do cost their Redis."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.cluster import ClusterTopology
from support.processes import WebProcess, WorkerProcess
from support.servers import RedisServer
from support.waiting import wait_until_sync

pytestmark = pytest.mark.processes

WATCHED_SECONDS = 6.0


def commands(nodes: Sequence[RedisServer]) -> int:
    """How many commands clients have sent these nodes, those that scripts call counted as well."""
    counted = 0
    for node in nodes:
        with node.client() as client:
            counted += sum(int(entry["calls"]) for entry in client.info("commandstats").values())
    return counted


def each_second(nodes: Sequence[RedisServer]) -> float:
    """How many commands a second the nodes get while nothing happens."""
    before, began = commands(nodes), time.monotonic()
    wait_until_sync(lambda: time.monotonic() - began >= WATCHED_SECONDS, "the time is over", 60)
    return (commands(nodes) - before) / (time.monotonic() - began)


def test_an_idle_ingress_and_worker_leave_a_cluster_alone(tmp_path: Path) -> None:
    with (
        ClusterTopology() as cluster,
        WorkerProcess(tmp_path, redis_url=cluster.url),
        WebProcess(tmp_path, redis_url=cluster.url),
    ):
        rate = each_second(cluster.nodes)
        assert rate <= 60
