"""Live calls over a Redis Cluster: a master dies or freezes, slots move, and the calls go on."""

from collections.abc import Iterator

import pytest
from support.cluster import ClusterTopology
from topologies.cluster_faults import freeze_master, kill_master, move_slots
from topologies.failover import Outcome, survive

pytestmark = pytest.mark.processes

CONFIRMED = {"REDIS_WAIT_REPLICAS": "1", "REDIS_WAIT_MS": "500"}


@pytest.fixture
def cluster() -> Iterator[ClusterTopology]:
    with ClusterTopology(replicas=1, password="pass") as topology:
        yield topology


def assert_unharmed(outcome: Outcome) -> None:
    assert outcome.exits == []
    assert (outcome.lost, outcome.changed, outcome.disordered, outcome.unanswered) == ([], [], [], 0)
    assert outcome.turns >= 3 * outcome.calls


async def test_a_master_that_is_killed_under_live_calls_costs_none(cluster) -> None:
    assert_unharmed(await survive(cluster.url, lambda: kill_master(cluster), **CONFIRMED))


async def test_a_master_that_is_frozen_under_live_calls_costs_none(cluster) -> None:
    assert_unharmed(await survive(cluster.url, lambda: freeze_master(cluster), **CONFIRMED))


async def test_slots_that_move_under_live_calls_cost_none(cluster) -> None:
    assert_unharmed(await survive(cluster.url, lambda: move_slots(cluster)))
