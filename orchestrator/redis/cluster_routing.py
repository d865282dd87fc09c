"""Chooses the node of each command that is sent over a cluster's connection.

What is sent together is a batch: one command, or a pipeline. A batch is *bound* to one node if it has a command that
speaks of the others of its connection (MULTI, WATCH, WAIT, WAITAOF), and *pinned* to the node of a WATCH until EXEC or
UNWATCH. A redirection (MOVED, ASK) of a command of such a batch is raised, and the client's retry repeats the whole.

| command | neither bound nor pinned | bound | pinned |
|---|---|---|---|
| with a key | node of its slot | node of its slot, the same for all, or CROSSSLOT | pinned node, or an error |
| without a key | node of the command before, else of the first key | the same | pinned node |
| PING or SCRIPT alone | every master | (not bound) | every master |
| that is redirected | follows by itself | raises | raises |
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.exceptions import ClusterCrossSlotError
from redis.exceptions import ConnectionError as RedisConnectionError

from orchestrator.redis.slots import command_name, slot_of
from orchestrator.redis.topology import Address, Topology

Arguments = Sequence[Any]

_EVERYWHERE = frozenset({"PING", "SCRIPT"})
"""Sent to every master: any may need the script, and a PING asks whether all are well."""
_BINDING = frozenset({"MULTI", "WATCH", "WAIT", "WAITAOF"})
_UNPINNING = frozenset({"EXEC", "UNWATCH"})


class Route(NamedTuple):
    """Where a command goes. With `follows`, it goes where it is redirected to; else the redirection is raised."""

    arguments: Arguments
    addresses: tuple[Address, ...]
    follows: bool


class Router:
    """Routes what is sent over one connection. See the table above."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._pinned: Address | None = None

    def unpin(self) -> None:
        """Forget the WATCH: its connection was closed."""
        self._pinned = None

    async def route(self, commands: Sequence[Arguments]) -> list[Route]:
        """Return where each command of a batch goes.

        Raises `ClusterCrossSlotError`, `ConnectionError`, or what the nodes that were asked for their slots fail with.
        """
        names = {command_name(arguments) for arguments in commands}
        if len(commands) == 1 and names <= _EVERYWHERE:
            await self._topology.locate(None)  # asks the nodes, if none was asked yet
            return [Route(commands[0], self._topology.masters, follows=False)]
        nodes = await self._nodes(commands)
        if self._pinned is None and names.isdisjoint(_BINDING):
            return [Route(arguments, (node,), follows=True) for arguments, node in zip(commands, nodes, strict=True)]
        node = self._common(nodes)
        if "WATCH" in names:
            self._pinned = node
        elif not names.isdisjoint(_UNPINNING):
            self._pinned = None
        return [Route(arguments, (node,), follows=False) for arguments in commands]

    async def _nodes(self, commands: Sequence[Arguments]) -> list[Address]:
        """Return the node of each command: that of its key, of the command before it, or of the first key."""
        slots = [slot_of(arguments) for arguments in commands]
        first = next((slot for slot in slots if slot is not None), None)
        node = self._pinned if first is None and self._pinned else await self._topology.locate(first)
        nodes = []
        for slot in slots:
            if slot is not None:
                node = await self._topology.locate(slot)
            nodes.append(node)
        return nodes

    def _common(self, nodes: list[Address]) -> Address:
        node, *others = set(nodes)
        if others:
            raise ClusterCrossSlotError("CROSSSLOT the keys of a transaction lie on different nodes")
        if self._pinned not in (None, node):
            raise RedisConnectionError("a slot has moved while one of its keys was watched")
        return node
