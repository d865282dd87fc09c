"""A Redis Cluster, as one pool of connections for redis-py's ordinary client (and arq's).

What redis-py takes for one connection sends each command over a real one, to the node that serves its key. So
redis-py's client, its pipelines and transactions, and arq on top of them, work on a cluster unchanged.
"""

import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

from orchestrator.redis import keys
from orchestrator.redis.cluster_routing import Arguments, Route, Router
from orchestrator.redis.pool import QueueingPool, RetryFor
from orchestrator.redis.topology import TRANSIENT_ERRORS, UNREACHABLE_ERRORS, Address, SlotParser, Topology


class ClusterConnection:
    """Has the methods of `redis.asyncio.Connection` that clients and pipelines call. `Router` chooses the nodes."""

    is_connected = True

    def __init__(self, pool: "ClusterPool") -> None:
        self.retry = pool.retry
        self.retry_on_error = list(TRANSIENT_ERRORS)
        self._pool = pool
        self._router = Router(pool.topology)
        self._connections: dict[Address, tuple[QueueingPool, Any]] = {}
        self._unanswered: deque[Route] = deque()
        self._failure: Exception | None = None

    async def connect(self) -> None:
        """Do nothing: the commands decide which nodes to connect to."""

    def pack_commands(self, commands: Iterable[Arguments]) -> list[Arguments]:
        """Return the commands as they are: where they go decides which are packed together."""
        return list(commands)

    async def send_command(self, *arguments: Any, **_: Any) -> None:
        """Send one command."""
        await self.send_packed_command([arguments])

    async def send_packed_command(self, commands: Sequence[Arguments], **_: Any) -> None:
        """Send a batch of commands, to each node its part at once."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            await self._pool.refresh_after(failure)
        parts: dict[Address, list[Arguments]] = {}
        for route in await self._router.route(commands):
            self._unanswered.append(route)
            for address in route.addresses:
                parts.setdefault(address, []).append(route.arguments)
        for address, part in parts.items():
            try:
                connection = await self._connection(address)
                await connection.send_packed_command(connection.pack_commands(part))
            except TRANSIENT_ERRORS as error:
                self._learn(address, error)
                raise

    async def read_response(self, *_: Any, **options: Any) -> Any:
        """Return the next answer, in the order in which the commands were sent."""
        if not self._unanswered:
            raise RedisConnectionError("no command was sent whose answer could be read")
        route = self._unanswered.popleft()
        answers = []
        for address in route.addresses:
            try:
                answers.append(await self._connections[address][1].read_response(**options))
            except TRANSIENT_ERRORS as error:
                there = self._learn(address, error)
                if there is None or not route.follows:
                    raise
                answers.append(await self._follow(*there, route.arguments, options))
        return answers[0] if len(answers) == 1 else _merged(answers)

    async def disconnect(self, nowait: bool = False) -> None:
        """Close the real connections, and return them to their pools."""
        self._unanswered.clear()
        self._router.unpin()
        await self._return_connections(lambda connection: connection.disconnect(nowait=nowait))

    async def give_back(self) -> None:
        """Return the real connections to their pools; close them first if answers are still to be read."""
        if self._unanswered:
            await self.disconnect(nowait=True)
        else:
            await self._return_connections()

    async def _return_connections(self, close: Callable[[Any], Awaitable[None]] | None = None) -> None:
        """Close (with `close`) and return every connection, also those after one that fails or is cancelled."""
        connections, self._connections = self._connections, {}
        async with AsyncExitStack() as stack:
            for pool, connection in connections.values():
                stack.push_async_callback(pool.release, connection)
                if close is not None:
                    stack.push_async_callback(close, connection)

    async def _connection(self, address: Address) -> Any:
        if address not in self._connections:
            pool = self._pool.node(address)
            self._connections[address] = (pool, await pool.get_connection())
        return self._connections[address][1]

    def _learn(self, address: Address, error: Exception) -> tuple[Address, bool] | None:
        self._failure = error
        return self._pool.topology.learn(address, error)

    async def _follow(self, address: Address, asking: bool, arguments: Arguments, options: dict[str, Any]) -> Any:
        """Send a redirected command to `address` by itself, and return the answer. Raises what is worth a retry."""

        def send(address: Address, asking: bool) -> Awaitable[Any]:
            return self._ask(address, [("ASKING",), arguments] if asking else [arguments], options)

        try:
            answer = await self._pool.topology.follow(address, asking, send)
        except TRANSIENT_ERRORS as error:
            self._failure = error
            raise
        self._failure = None
        return answer

    async def _ask(self, address: Address, commands: list[Arguments], options: dict[str, Any]) -> Any:
        """Send the commands over a connection of their own. Return the answer to the last of them."""
        pool = self._pool.node(address)
        connection = await pool.get_connection()
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            answers = [await connection.read_response(**options) for _ in commands]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
        return answers[-1]


def _merged(answers: list[Any]) -> Any:
    """Return one answer for those of all masters: a list of flags (SCRIPT EXISTS) is true where each of them is."""
    first = answers[0]
    return [min(flags) for flags in zip(*answers, strict=True)] if isinstance(first, list) else first


class ClusterPool(ConnectionPool):
    """A pool for each node, and the map of who serves which slot.

    A client with this pool, `Redis` or `ArqRedis`, works as on a single server if the keys of each command, script and
    transaction lie in one slot. Transient failures are retried for `retry_seconds`, as a whole: what is sent must be
    safe to repeat. Subscribe through `broadcasts`.
    """

    def __init__(
        self,
        seeds: Iterable[Address],
        *,
        connection_class: type[Any],
        any_node_class: type[Any],
        retry_seconds: float,
        **options: Any,
    ) -> None:
        super().__init__(connection_class=ClusterConnection, **options)  # type: ignore[arg-type]  # has the methods of one
        self.multiplexed: Any = None  # what `sender_for` sends over; made when it is first asked for
        self.retry = RetryFor(retry_seconds, TRANSIENT_ERRORS)
        self.topology = Topology(seeds, self._slots_by)
        self._node_class = connection_class
        self._node_options = {**options, "retry": RetryFor(0, UNREACHABLE_ERRORS), "parser_class": SlotParser}
        self._nodes: dict[Address, QueueingPool] = {}
        any_node_options = {**self._node_options, "retry": RetryFor(retry_seconds, UNREACHABLE_ERRORS)}
        self.broadcasts = QueueingPool(connection_class=any_node_class, topology=self.topology, **any_node_options)
        """A pool whose connections go to any node: each gets what is published through any other."""

    def node(self, address: Address) -> QueueingPool:
        """Return the pool of connections to one node."""
        pool = self._nodes.get(address)
        if pool is None:
            host, port = address
            pool = QueueingPool(connection_class=self._node_class, host=host, port=port, **self._node_options)
            self._nodes[address] = pool
        return pool

    async def refresh_after(self, error: Exception) -> None:
        """Refresh the topology after `error`; keep the old one if no node answers. Raises `AuthenticationError`."""
        if isinstance(error, AuthenticationError):
            return
        try:
            await self.topology.refresh()
        except AuthenticationError:
            raise
        except TRANSIENT_ERRORS:
            return
        await self._close_former_nodes()

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        """Return a connection to all nodes."""
        return ClusterConnection(self)

    async def release(self, connection: Any) -> None:
        """Take a connection back, and return its real ones to their pools."""
        await connection.give_back()

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close the connections to all nodes."""
        await self.topology.aclose()
        for pool in (*self._nodes.values(), self.broadcasts):
            await pool.disconnect(inuse_connections)

    async def _slots_by(self, address: Address) -> Any:
        """Return the node's answer to CLUSTER SLOTS, over a new connection: a pool may be exhausted."""
        connection = self.node(address).make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()
            await connection.send_command("CLUSTER", "SLOTS")
            return await connection.read_response()
        finally:
            await connection.disconnect(nowait=True)

    async def _close_former_nodes(self) -> None:
        """Close the idle connections to nodes that have left the cluster. Their pools stay, so that a connection which
        is being made through one of them is closed with it later."""
        for address in self._nodes.keys() - set(self.topology.nodes):
            with contextlib.suppress(*UNREACHABLE_ERRORS):
                await self._nodes[address].disconnect(inuse_connections=False)


def shards_of(redis: Redis) -> tuple[keys.ShardKeys, ...]:
    """Return the queue shards of what `redis` is connected with: one, or those that a cluster's masters share."""
    return keys.SHARDS if isinstance(redis.connection_pool, ClusterPool) else (keys.SINGLE_SHARD,)


async def masters_of(redis: Redis) -> list[Redis]:
    """Return a client of each server that has keys: `redis` itself, or one for each master of its cluster.

    They use its connections, and need not be closed. Raise what redis-py raises.
    """
    pool = redis.connection_pool
    if not isinstance(pool, ClusterPool):
        return [redis]
    await pool.topology.refresh()
    return [Redis(connection_pool=pool.node(address)) for address in pool.topology.masters]
