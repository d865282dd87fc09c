"""Many commands at a time over one connection to each node of a Redis Cluster."""

from typing import Any

from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.multiplexed import Wire
from orchestrator.redis.slots import slot_of
from orchestrator.redis.topology import MOST_REDIRECTIONS, PASSING, Address


class ClusterWire:
    """A `Wire` to each node; a command goes to the one that serves its first key, and follows it when it moves.

    All keys of a command must lie in one slot. What fails in passing (a master is away, a slot is on its way) is
    tried again as long as the pool's clients do that: it must be safe to repeat.
    """

    def __init__(self, pool: ClusterPool) -> None:
        self._pool = pool
        self._wires: dict[Address, Wire] = {}

    @property
    def lost_answers(self) -> int:
        """How often a command may have run twice because its answer was lost."""
        return sum(wire.lost_answers for wire in self._wires.values())

    async def command(self, *arguments: Any) -> Any:
        """What Redis answers. Raises what redis-py would raise."""
        slot = slot_of(arguments)
        address = None if slot is None else self._pool.topology.owner(slot)
        if address is not None:
            try:
                return await self._follow(address, arguments)
            except PASSING:
                pass
        return await self._pool.retry.call_with_retry(lambda: self._search(slot, arguments), self._look_again)

    async def _search(self, slot: int | None, arguments: tuple[Any, ...]) -> Any:
        return await self._follow(await self._pool.topology.locate(slot), arguments)

    async def _look_again(self, error: Exception) -> None:
        await self._pool.look_again(error)

    async def _follow(self, address: Address, arguments: tuple[Any, ...]) -> Any:
        asking = False
        for _ in range(MOST_REDIRECTIONS):
            try:
                return await self._wire(address).command(*arguments, asking=asking)
            except PASSING as error:
                there = self._pool.topology.learn(address, error)
                if there is None:
                    raise
                failure = error
            address, asking = there
        raise failure

    def _wire(self, address: Address) -> Wire:
        if address not in self._wires:
            self._wires[address] = Wire(self._pool.node(address), retry_seconds=0)
        return self._wires[address]
