"""The connections to a Redis Cluster, as one pool for redis-py's ordinary client (and arq's)."""

import contextlib
from collections.abc import Iterable
from typing import Any

from redis.asyncio import ConnectionPool
from redis.exceptions import AuthenticationError

from orchestrator.redis.cluster_connection import ClusterConnection
from orchestrator.redis.pool import QueueingPool, RetryFor
from orchestrator.redis.topology import PASSING, UNREACHABLE, Address, SlotParser, Topology


class ClusterPool(ConnectionPool):
    """A pool for each node, and the map of who serves which slot.

    A client that it is given to, `Redis` or `ArqRedis`, works as ever as long as the keys of each command, script and
    transaction lie in one slot. What fails in passing is tried again for `retry_seconds`, as a whole: it must be safe
    to repeat. Subscribe through `broadcasts`.
    """

    def __init__(
        self,
        seeds: Iterable[Address],
        *,
        connection_class: type[Any],
        roving_class: type[Any],
        retry_seconds: float,
        **options: Any,
    ) -> None:
        super().__init__(connection_class=ClusterConnection, **options)  # type: ignore[arg-type]  # it is like one
        self.wire: Any = None  # the one of this pool, once somebody wants it
        self.retry = RetryFor(retry_seconds, PASSING)
        self.topology = Topology(seeds, self._slots_by)
        self._node_class = connection_class
        self._node_options = {**options, "retry": RetryFor(0, UNREACHABLE), "parser_class": SlotParser}
        self._nodes: dict[Address, QueueingPool] = {}
        roving = {**self._node_options, "retry": RetryFor(retry_seconds, UNREACHABLE)}
        self.broadcasts = QueueingPool(connection_class=roving_class, topology=self.topology, **roving)
        """A pool whose connections go to any node: each hears what is published through whichever."""

    def node(self, address: Address) -> QueueingPool:
        """The connections to one node."""
        pool = self._nodes.get(address)
        if pool is None:
            host, port = address
            pool = QueueingPool(connection_class=self._node_class, host=host, port=port, **self._node_options)
            self._nodes[address] = pool
        return pool

    async def look_again(self, error: Exception) -> None:
        """After `error`, ask who serves what; it is not worse if nobody answers yet."""
        if isinstance(error, AuthenticationError):
            return
        try:
            await self.topology.refresh()
        except AuthenticationError:
            raise
        except PASSING:
            return
        await self._leave_strangers()

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        """A connection to all nodes."""
        return ClusterConnection(self)

    async def release(self, connection: Any) -> None:
        """Take a connection back."""
        await connection.give_back()

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close the connections to all nodes."""
        await self.topology.aclose()
        for pool in (*self._nodes.values(), self.broadcasts):
            await pool.disconnect(inuse_connections)

    async def _slots_by(self, address: Address) -> Any:
        """What the node says to CLUSTER SLOTS, over a connection that waits for nobody."""
        connection = self.node(address).make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()
            await connection.send_command("CLUSTER", "SLOTS")
            return await connection.read_response()
        finally:
            await connection.disconnect(nowait=True)

    async def _leave_strangers(self) -> None:
        """Close what is idle of the connections to nodes that have left. Their pools stay: who is just about to
        connect through one would leave a connection behind that nobody closes."""
        for address in self._nodes.keys() - set(self.topology.nodes):
            with contextlib.suppress(*UNREACHABLE):
                await self._nodes[address].disconnect(inuse_connections=False)
