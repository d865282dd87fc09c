"""A Redis Cluster on loopback: real nodes, that tests kill, freeze and take slots from."""

from contextlib import ExitStack
from types import TracebackType
from typing import Any

from redis.crc import key_slot
from redis.exceptions import RedisError
from support.servers import RedisServer
from support.tls_front import TLS
from support.waiting import wait_until_sync

SLOTS = 16_384
NODE_TIMEOUT_MS = 1000
START_SECONDS = 60.0


class ClusterTopology:
    """Masters that share the slots evenly, with `replicas` each. Use it as a context manager.

    `nodes` are the masters and then the replicas, as it began; who is what now, `owner` and `master_nodes` say. With
    `tls`, clients may reach them by it, too.
    """

    def __init__(
        self, *args: str, masters: int = 3, replicas: int = 0, password: str = "", tls: TLS | None = None
    ) -> None:
        self.password = password
        self.nodes: list[RedisServer] = []
        self._masters = masters
        self._replicas = replicas
        self._args = args
        self._tls = tls
        self._stack = ExitStack()

    @property
    def hosts(self) -> str:
        """For a URL: all nodes."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def url(self) -> str:
        """For clients."""
        scheme = "redis-cluster" if self._tls is None else "rediss-cluster"
        return f"{scheme}://{f':{self.password}@' if self.password else ''}{self.hosts}"

    def ask(self, node: RedisServer, *arguments: Any) -> Any:
        """What the node answers to a command."""
        with node.client(password=self.password or None) as client:
            return client.execute_command(*arguments)

    def owner(self, slot: int) -> RedisServer:
        """Who serves the slot, as most of the nodes that run have it."""
        ports = [self._owner_port(node, slot) for node in self._running()]
        return self._by_port(max(ports, key=ports.count))

    def owner_of_key(self, key: str) -> RedisServer:
        """The same for the slot of a key."""
        return self.owner(key_slot(key.encode()))

    def master_nodes(self) -> list[RedisServer]:
        """The nodes that serve slots now."""
        view = self._view(self._running()[0])
        return [self._by_port(port) for port in sorted({masters[0] for _, _, *masters in view})]

    def flush(self) -> None:
        """Empty all masters."""
        for node in self.master_nodes():
            self.ask(node, "FLUSHALL")

    def is_whole(self) -> bool:
        """Whether all nodes run, agree who serves what, and each master has its replicas in touch."""
        try:
            views = [self._view(node) for node in self.nodes]
            return len(set(views)) == 1 and all(map(self._is_up, self.nodes)) and all(map(self._is_linked, self.nodes))
        except (RedisError, OSError, LookupError):
            return False

    def wait_until_whole(self) -> None:
        """Return when it is."""
        wait_until_sync(self.is_whole, "the cluster is whole", START_SECONDS)

    def wait_for_new_owner(self, slot: int, former: RedisServer) -> RedisServer:
        """Return who has taken over the slot, once all nodes that run know it and serve."""

        def heir() -> RedisServer | None:
            try:
                owners = {self._owner_port(node, slot) for node in self._running() if node is not former}
                heir = self._by_port(owners.pop()) if len(owners) == 1 else former
                return heir if heir is not former and self._is_up(heir) else None
            except (RedisError, OSError, LookupError):
                return None

        found = wait_until_sync(heir, "a replica takes the slots over", START_SECONDS)
        assert found is not None
        return found

    def begin_move(self, slot: int, target: RedisServer) -> RedisServer:
        """Declare that the slot is on its way to `target`; who has it still.

        First all masters know of the latest move: else `target` might take the slot under an epoch that is older than
        what the source has, lose it again by gossip, and delete its keys.
        """
        wait_until_sync(lambda: len(self._epochs()) == 1, "all masters know the latest epoch")
        source = self.owner(slot)
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self._id(source))
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self._id(target))
        return source

    def move_keys(self, slot: int, source: RedisServer, target: RedisServer, *, most: int = 1_000_000) -> int:
        """Carry up to `most` of the slot's keys over, a page at a time; how many."""
        moved = 0
        password = ["AUTH", self.password] if self.password else []
        while moved < most and (keys := self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, min(100, most - moved))):
            self.ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, *password, "KEYS", *keys)
            moved += len(keys)
        return moved

    def end_move(self, slot: int, source: RedisServer, target: RedisServer) -> None:
        """Give the slot to `target`, which must have its keys; the others hear of it."""
        others = [node for node in self.master_nodes() if node not in (source, target)]
        for node in (target, source, *others):
            self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self._id(target))
        masters = [target, source, *others]
        wait_until_sync(lambda: self._agree(masters, slot, target), f"all masters know who has slot {slot}")

    def _epochs(self) -> set[str]:
        infos = (str(self.ask(node, "CLUSTER", "INFO")) for node in self.master_nodes() if node.is_running)
        return {line for info in infos for line in info.splitlines() if line.startswith("cluster_current_epoch:")}

    def _agree(self, masters: list[RedisServer], slot: int, owner: RedisServer) -> bool:
        """Whether they say that the slot is the owner's. Gossip that was under way may have told one otherwise: it is
        told again, under a new epoch."""
        try:
            misled = [node for node in masters if node.is_running and self._owner_port(node, slot) != owner.port]
            if not misled:
                return True
            for node in misled:
                self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self._id(owner))
            self.ask(owner, "CLUSTER", "BUMPEPOCH")
        except (RedisError, OSError, LookupError):
            return not owner.is_running
        return False

    def move(self, slot: int, target: RedisServer) -> int:
        """Move the slot with its keys while everything runs; how many keys. Writes meanwhile are waited out."""
        source = self.begin_move(slot, target)
        moved = self.move_keys(slot, source, target)
        while True:
            try:
                self.end_move(slot, source, target)
            except RedisError as error:  # a key was written since: the source will not part with the slot
                if "hold keys" not in str(error):
                    raise
                moved += self.move_keys(slot, source, target)
            else:
                return moved

    def close(self) -> None:
        """Kill all nodes."""
        self._stack.close()

    def __enter__(self) -> "ClusterTopology":
        with ExitStack() as stack:  # a start that fails leaves nothing running
            for _ in range(self._masters * (1 + self._replicas)):
                self.nodes.append(stack.enter_context(RedisServer(*self._options(), tls=self._tls)))
            self._join()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _options(self) -> list[str]:
        password = ["--requirepass", self.password, "--masterauth", self.password] if self.password else []
        return [
            "--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--appendonly", "yes",
            "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0", *password, *self._args,
        ]  # fmt: skip

    def _join(self) -> None:
        masters, replicas = self.nodes[: self._masters], self.nodes[self._masters :]
        for place, node in enumerate(masters):
            slots = range(place * SLOTS // self._masters, (place + 1) * SLOTS // self._masters)
            self.ask(node, "CLUSTER", "ADDSLOTS", *slots)
            self.ask(node, "CLUSTER", "SET-CONFIG-EPOCH", place + 1)
        for node in self.nodes[1:]:
            self.ask(self.nodes[0], "CLUSTER", "MEET", "127.0.0.1", node.port, node.bus_port)
        wait_until_sync(lambda: all(map(self._knows_all, self.nodes)), "the nodes know each other", START_SECONDS)
        for place, replica in enumerate(replicas):
            self.ask(replica, "CLUSTER", "REPLICATE", self._id(masters[place % self._masters]))
        self.wait_until_whole()

    def _running(self) -> list[RedisServer]:
        return [node for node in self.nodes if node.is_running]

    def _by_port(self, port: int) -> RedisServer:
        for node in self.nodes:
            if node.port == port:
                return node
        raise LookupError(f"No node of ours has port {port}.")

    def _id(self, node: RedisServer) -> str:
        return str(self.ask(node, "CLUSTER", "MYID"))

    def _view(self, node: RedisServer) -> frozenset[tuple[int, ...]]:
        """Who serves what as this node has it: (first slot, last slot, master's port, replicas' ports…)."""
        rows = self.ask(node, "CLUSTER", "SLOTS")
        return frozenset(
            (first, last, master[1], *sorted(replica[1] for replica in replicas))
            for first, last, master, *replicas in rows
        )

    def _owner_port(self, node: RedisServer, slot: int) -> int:
        for first, last, master, *_ in self._view(node):
            if first <= slot <= last:
                return master
        raise LookupError(f"As {node.port} has it, nobody serves slot {slot}.")

    def _knows_all(self, node: RedisServer) -> bool:
        known = self.ask(node, "CLUSTER NODES")
        return len(known) == len(self.nodes) and not any("handshake" in each["flags"] for each in known.values())

    def _is_up(self, node: RedisServer) -> bool:
        return bool(self.ask(node, "CLUSTER INFO")["cluster_state"] == "ok")

    def _is_linked(self, node: RedisServer) -> bool:
        with node.client(password=self.password or None) as client:
            info = client.info("replication")
        if info["role"] == "slave":
            return info["master_link_status"] == "up"
        return info["connected_slaves"] == self._replicas
