"""How many commands idle processes send to Redis."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.cluster import ClusterTopology
from support.processes import WebProcess, WorkerProcess
from support.servers import RedisServer
from support.waiting import wait_until_sync

pytestmark = pytest.mark.processes

WATCHED_SECONDS = 5.0
MOST_COMMANDS = 750
"""In that time the worker listens to sixteen queues (80), asks each second whether anybody is due (up to 160), and
sweeps every five seconds (150 each time, twice at most). An ingress and a worker that polled sent over 2,500."""


def commands(nodes: Sequence[RedisServer]) -> int:
    """Return how many commands these nodes have run, those that scripts call included."""
    counted = 0
    for node in nodes:
        with node.client() as client:
            counted += sum(int(entry["calls"]) for entry in client.info("commandstats").values())
    return counted


def test_an_idle_ingress_and_worker_leave_a_cluster_alone(tmp_path: Path) -> None:
    with (
        ClusterTopology() as cluster,
        WorkerProcess(tmp_path, redis_url=cluster.url),
        WebProcess(tmp_path, redis_url=cluster.url),
    ):
        before, began = commands(cluster.nodes), time.monotonic()
        wait_until_sync(lambda: time.monotonic() - began >= WATCHED_SECONDS, "the time is over", 60)
        assert commands(cluster.nodes) - before <= MOST_COMMANDS * (time.monotonic() - began) / WATCHED_SECONDS
