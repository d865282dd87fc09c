"""Live calls over Sentinels: the master dies, and the calls go on."""

from collections.abc import Iterator

import pytest
from support.sentinels import SentinelTopology
from topologies.failover import Outcome, survive
from topologies.faults import cut_off, fail_over, kill_and_bring_back, killed_while_behind

pytestmark = pytest.mark.processes

CONFIRMED = {"REDIS_WAIT_REPLICAS": "1", "REDIS_WAIT_MS": "500"}


@pytest.fixture
def sentinels() -> Iterator[SentinelTopology]:
    with SentinelTopology(password="pass") as topology:
        yield topology


def assert_unharmed(outcome: Outcome) -> None:
    assert outcome.exits == []
    assert (outcome.lost, outcome.changed, outcome.disordered, outcome.unanswered) == ([], [], [], 0)
    assert outcome.turns >= 3 * outcome.calls


async def test_a_master_that_is_killed_under_live_calls_costs_none(sentinels) -> None:
    assert_unharmed(await survive(sentinels.url, lambda: kill_and_bring_back(sentinels)))


async def test_a_master_that_is_frozen_under_live_calls_costs_none(sentinels) -> None:
    assert_unharmed(await survive(sentinels.url, lambda: cut_off(sentinels)))


async def test_where_replicas_confirm_a_planned_failover_costs_none_though_the_old_master_goes_on(sentinels) -> None:
    assert_unharmed(await survive(sentinels.url, lambda: fail_over(sentinels), **CONFIRMED))


async def test_where_replicas_confirm_one_that_was_behind_costs_none(sentinels) -> None:
    assert_unharmed(await survive(sentinels.url, lambda: killed_while_behind(sentinels), **CONFIRMED))
