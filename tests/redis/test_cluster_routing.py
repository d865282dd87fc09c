"""Which node each command of a batch goes to: the table of `orchestrator.redis.cluster_routing`."""

from typing import Any

import pytest
from redis.exceptions import ClusterCrossSlotError
from redis.exceptions import ConnectionError as RedisConnectionError

from orchestrator.redis.cluster_routing import Router
from orchestrator.redis.slots import SLOTS, slot_of_key
from orchestrator.redis.topology import Address, Topology

LOW, HIGH = ("low", 6379), ("high", 6379)
HALF = SLOTS // 2
LOW_KEY, HIGH_KEY = "b", "a"  # their slots are 3300 and 15495


class Cluster:
    """Two masters; each serves half of the slots, until they swap them."""

    def __init__(self) -> None:
        self.masters = [LOW, HIGH]
        self.topology = Topology([LOW], self.slots)

    async def slots(self, asked: Address) -> Any:
        low, high = ((host.encode(), port) for host, port in self.masters)
        return [(0, HALF - 1, low), (HALF, SLOTS - 1, high)]

    async def swap(self) -> None:
        self.masters.reverse()
        await self.topology.refresh()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def router(cluster: Cluster) -> Router:
    return Router(cluster.topology)


async def nodes(router: Router, *commands: tuple[str, ...]) -> list[tuple[Address, ...]]:
    return [route.addresses for route in await router.route(commands)]


def test_the_keys_lie_on_different_nodes() -> None:
    assert slot_of_key(LOW_KEY) < HALF <= slot_of_key(HIGH_KEY)


async def test_a_command_goes_to_the_node_of_its_key_and_follows_redirections(router: Router) -> None:
    (low,) = await router.route([("GET", LOW_KEY)])
    (high,) = await router.route([("GET", HIGH_KEY)])
    assert (low.addresses, high.addresses) == ((LOW,), (HIGH,))
    assert low.follows
    assert high.follows


async def test_a_command_without_a_key_goes_with_the_one_before_it_or_with_the_first_key(router: Router) -> None:
    found = await nodes(router, ("TIME",), ("GET", HIGH_KEY), ("GET", LOW_KEY), ("TIME",))
    assert found == [(HIGH,), (HIGH,), (LOW,), (LOW,)]


@pytest.mark.parametrize("command", [("PING",), ("SCRIPT LOAD", "return 1")])
async def test_a_ping_and_a_script_alone_go_to_every_master(router: Router, command: tuple[str, ...]) -> None:
    (route,) = await router.route([command])
    assert set(route.addresses) == {LOW, HIGH}
    assert not route.follows


@pytest.mark.parametrize("binding", [("MULTI",), ("WAIT", "1", "100"), ("WAITAOF", "1", "0", "100")])
async def test_a_bound_batch_has_one_node_and_follows_no_redirection(router: Router, binding: tuple[str, ...]) -> None:
    routes = await router.route([binding, ("SET", HIGH_KEY, "1"), ("TIME",)])
    assert [(route.addresses, route.follows) for route in routes] == [((HIGH,), False)] * 3


async def test_a_bound_batch_with_keys_on_two_nodes_is_refused(router: Router) -> None:
    with pytest.raises(ClusterCrossSlotError):
        await router.route([("MULTI",), ("GET", LOW_KEY), ("GET", HIGH_KEY), ("EXEC",)])


@pytest.mark.parametrize("end", [("EXEC",), ("UNWATCH",)])
async def test_a_watch_pins_to_its_node_until_it_ends(router: Router, end: tuple[str, ...]) -> None:
    await router.route([("WATCH", HIGH_KEY)])
    for _ in range(10):  # without the pin, any node would do
        (route,) = await router.route([("TIME",)])
        assert (route.addresses, route.follows) == ((HIGH,), False)
    with pytest.raises(RedisConnectionError):
        await router.route([("GET", LOW_KEY)])
    assert await nodes(router, end) == [(HIGH,)]
    assert (await router.route([("GET", LOW_KEY)]))[0].follows


async def test_a_slot_that_moves_while_its_key_is_watched_is_an_error(cluster: Cluster, router: Router) -> None:
    await router.route([("WATCH", HIGH_KEY)])
    await cluster.swap()
    with pytest.raises(RedisConnectionError, match="moved"):
        await router.route([("MULTI",), ("SET", HIGH_KEY, "1"), ("EXEC",)])


async def test_keys_on_two_nodes_are_refused_as_such_also_while_one_is_watched(router: Router) -> None:
    await router.route([("WATCH", HIGH_KEY)])
    with pytest.raises(ClusterCrossSlotError):
        await router.route([("MULTI",), ("GET", HIGH_KEY), ("GET", LOW_KEY), ("EXEC",)])


async def test_closing_the_connection_ends_the_watch(router: Router) -> None:
    await router.route([("WATCH", HIGH_KEY)])
    router.unpin()
    assert await nodes(router, ("GET", LOW_KEY)) == [(LOW,)]
