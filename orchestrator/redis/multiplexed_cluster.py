"""Many commands at a time over one connection to each node of a Redis Cluster."""

from typing import Any

from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.multiplexed import MultiplexedConnection
from orchestrator.redis.slots import slot_of
from orchestrator.redis.topology import TRANSIENT_ERRORS, Address


class MultiplexedCluster:
    """A `MultiplexedConnection` to each node; a command goes to the node that serves its first key, also when that
    moves.

    All keys of a command must lie in one slot. Transient failures (a master is down, a slot is being moved) are
    retried for as long as the pool's clients retry: commands must be safe to repeat. `block_seconds` as there.
    """

    def __init__(self, pool: ClusterPool, *, block_seconds: float = 0.0) -> None:
        self._pool = pool
        self._block_seconds = block_seconds
        self._connections: dict[Address, MultiplexedConnection] = {}

    @property
    def lost_answers(self) -> int:
        """How often a command may have run twice because its answer was lost."""
        return sum(connection.lost_answers for connection in self._connections.values())

    async def execute(self, *arguments: Any) -> Any:
        """Return what Redis answers. Raises what redis-py would raise."""
        slot = slot_of(arguments)
        address = None if slot is None else self._pool.topology.owner(slot)
        if address is not None:
            try:
                return await self._follow(address, arguments)
            except TRANSIENT_ERRORS:
                pass
        return await self._pool.retry.call_with_retry(lambda: self._locate(slot, arguments), self._pool.refresh_after)

    async def _locate(self, slot: int | None, arguments: tuple[Any, ...]) -> Any:
        return await self._follow(await self._pool.topology.locate(slot), arguments)

    async def _follow(self, address: Address, arguments: tuple[Any, ...]) -> Any:
        """Send the command to the node at `address`, and to where that redirects it."""
        return await self._pool.topology.follow(
            address, False, lambda node, asking: self._connection(node).execute(*arguments, asking=asking)
        )

    def _connection(self, address: Address) -> MultiplexedConnection:
        if address not in self._connections:
            self._connections[address] = MultiplexedConnection(
                self._pool.node(address), retry_seconds=0, block_seconds=self._block_seconds
            )
        return self._connections[address]
