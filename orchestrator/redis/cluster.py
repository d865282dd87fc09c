"""A Redis Cluster, as one pool of connections for redis-py's ordinary client (and arq's).

What redis-py takes for one connection sends each command over a real one, to the node that serves its key. So
redis-py's client, its pipelines and transactions, and arq on top of them, work on a cluster unchanged.
"""

import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import AuthenticationError, ClusterCrossSlotError
from redis.exceptions import ConnectionError as RedisConnectionError

from orchestrator.redis import keys
from orchestrator.redis.pool import QueueingPool, RetryFor
from orchestrator.redis.slots import command_name, slot_of
from orchestrator.redis.topology import MOST_REDIRECTIONS, PASSING, UNREACHABLE, Address, SlotParser, Topology

Arguments = Sequence[Any]

_EVERYWHERE = frozenset({"PING", "SCRIPT"})
"""Sent to every master: a script may be wanted on any, and a PING asks whether all is well."""
_BINDING = frozenset({"MULTI", "WATCH", "WAIT", "WAITAOF"})
"""These speak of other commands of their connection: none may be redirected alone."""


class _Sent(NamedTuple):
    arguments: Arguments
    addresses: tuple[Address, ...]
    alone: bool  # whether it may be redirected by itself


class ClusterConnection:
    """Has those methods of `redis.asyncio.Connection` that clients and pipelines call.

    A redirected command follows its slot. Where that cannot be, in a transaction or before a WAIT, the redirection is
    raised, and the client's retry repeats the whole of it.
    """

    is_connected = True

    def __init__(self, pool: "ClusterPool") -> None:
        self.retry = pool.retry
        self.retry_on_error = list(PASSING)
        self._pool = pool
        self._links: dict[Address, tuple[QueueingPool, Any]] = {}
        self._sent: deque[_Sent] = deque()
        self._pinned: Address | None = None
        self._failure: Exception | None = None

    async def connect(self) -> None:
        """Nothing to do before it is known where to."""

    def pack_commands(self, commands: Iterable[Arguments]) -> list[Arguments]:
        """The commands themselves: how they are packed together depends on where they go."""
        return list(commands)

    async def send_command(self, *arguments: Any, **_: Any) -> None:
        """Send one command."""
        await self.send_packed_command([arguments])

    async def send_packed_command(self, commands: Sequence[Arguments], **_: Any) -> None:
        """Send a pipeline, to each node its part at once."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            await self._pool.look_again(failure)
        parts: dict[Address, list[Arguments]] = {}
        for sent in await self._routed(commands):
            self._sent.append(sent)
            for address in sent.addresses:
                parts.setdefault(address, []).append(sent.arguments)
        for address, part in parts.items():
            try:
                link = await self._link(address)
                await link.send_packed_command(link.pack_commands(part))
            except PASSING as error:
                self._learn(address, error)
                raise

    async def read_response(self, *_: Any, **options: Any) -> Any:
        """The next answer, in the order in which the commands were sent."""
        if not self._sent:
            raise RedisConnectionError("no command was sent whose answer could be read")
        sent = self._sent.popleft()
        answers = []
        for address in sent.addresses:
            try:
                answers.append(await self._links[address][1].read_response(**options))
            except PASSING as error:
                if not sent.alone:
                    self._learn(address, error)
                    raise
                answers.append(await self._follow(sent.arguments, address, error, options))
        return answers[0] if len(answers) == 1 else _together(answers)

    async def disconnect(self, nowait: bool = False) -> None:
        """Close and give back the real connections."""
        self._sent.clear()
        self._pinned = None
        await self._leave(lambda link: link.disconnect(nowait=nowait))

    async def give_back(self) -> None:
        """Give back the real connections, closing those whose answers nobody has read."""
        if self._sent:
            await self.disconnect(nowait=True)
        else:
            await self._leave()

    async def _leave(self, farewell: Callable[[Any], Awaitable[None]] | None = None) -> None:
        """Give back all links, each after a farewell: also those that come after one that fails or is cancelled."""
        links, self._links = self._links, {}
        async with AsyncExitStack() as stack:
            for pool, link in links.values():
                stack.push_async_callback(pool.release, link)
                if farewell is not None:
                    stack.push_async_callback(farewell, link)

    async def _routed(self, commands: Sequence[Arguments]) -> list[_Sent]:
        """Where each command goes; one without a key goes where the one before it went, or with the first that has."""
        names = [command_name(arguments) for arguments in commands]
        if len(commands) == 1 and names[0] in _EVERYWHERE:
            await self._pool.topology.locate(None)
            return [_Sent(commands[0], self._pool.topology.masters, alone=False)]
        slots = [slot_of(arguments) for arguments in commands]
        place = next((slot for slot in slots if slot is not None), None)
        here = self._pinned or await self._pool.topology.locate(place)
        bound = self._pinned is not None or not _BINDING.isdisjoint(names)
        routed: list[_Sent] = []
        for arguments, slot in zip(commands, slots, strict=True):
            if slot is not None:
                here = await self._pool.topology.locate(slot)
            routed.append(_Sent(arguments, (here,), alone=not bound))
        self._bind(routed, names, bound)
        return routed

    def _bind(self, routed: list[_Sent], names: list[str], bound: bool) -> None:
        """Keep what belongs together on one node, also over several sendings, from WATCH to EXEC."""
        if not bound:
            return
        addresses = {sent.addresses[0] for sent in routed}
        if len(addresses) > 1:
            raise ClusterCrossSlotError("CROSSSLOT the keys of a transaction lie on different nodes")
        if self._pinned not in (None, *addresses):
            raise RedisConnectionError("a slot has moved while one of its keys was watched")
        if "WATCH" in names:
            self._pinned = routed[0].addresses[0]
        elif not {"EXEC", "UNWATCH"}.isdisjoint(names):
            self._pinned = None

    async def _link(self, address: Address) -> Any:
        if address not in self._links:
            pool = self._pool.node(address)
            self._links[address] = (pool, await pool.get_connection())
        return self._links[address][1]

    def _learn(self, address: Address, error: Exception) -> tuple[Address, bool] | None:
        self._failure = error
        return self._pool.topology.learn(address, error)

    async def _follow(self, arguments: Arguments, address: Address, failure: Exception, options: dict[str, Any]) -> Any:
        """Go where the command was redirected to. Raises what is to be tried again."""
        for _ in range(MOST_REDIRECTIONS):
            there = self._learn(address, failure)
            if there is None:
                break
            address, asking = there
            try:
                return await self._ask(address, [("ASKING",), arguments] if asking else [arguments], options)
            except PASSING as error:
                failure = error
        raise failure

    async def _ask(self, address: Address, commands: list[Arguments], options: dict[str, Any]) -> Any:
        pool = self._pool.node(address)
        link = await pool.get_connection()
        try:
            await link.send_packed_command(link.pack_commands(commands))
            answers = [await link.read_response(**options) for _ in commands]
        except BaseException:
            await link.disconnect(nowait=True)
            raise
        finally:
            await pool.release(link)
        self._failure = None
        return answers[-1]


def _together(answers: list[Any]) -> Any:
    """What all masters answer: a list of flags (SCRIPT EXISTS) is true where each says so."""
    first = answers[0]
    return [min(flags) for flags in zip(*answers, strict=True)] if isinstance(first, list) else first


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
        any_node_class: type[Any],
        retry_seconds: float,
        **options: Any,
    ) -> None:
        super().__init__(connection_class=ClusterConnection, **options)  # type: ignore[arg-type]  # it is like one
        self.multiplexed: Any = None  # what `sender_for` sends over; made when it is first asked for
        self.retry = RetryFor(retry_seconds, PASSING)
        self.topology = Topology(seeds, self._slots_by)
        self._node_class = connection_class
        self._node_options = {**options, "retry": RetryFor(0, UNREACHABLE), "parser_class": SlotParser}
        self._nodes: dict[Address, QueueingPool] = {}
        any_node_options = {**self._node_options, "retry": RetryFor(retry_seconds, UNREACHABLE)}
        self.broadcasts = QueueingPool(connection_class=any_node_class, topology=self.topology, **any_node_options)
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


def shards_of(redis: Redis) -> tuple[keys.ShardKeys, ...]:
    """Return the queue shards of what `redis` is connected with: one, or those that a cluster's masters share."""
    return keys.SHARDS if isinstance(redis.connection_pool, ClusterPool) else (keys.SINGLE_SHARD,)
