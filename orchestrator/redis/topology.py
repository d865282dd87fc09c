"""The topology of a Redis Cluster: which node serves which slot. It is refreshed when it has changed.

What the nodes answer is described in https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from redis.asyncio.cluster import ClusterParser
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from orchestrator.redis.slots import SLOTS
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

T = TypeVar("T")

Address = tuple[str, int]
"""Host and port of a node."""

UNREACHABLE_ERRORS: tuple[type[Exception], ...] = (RedisConnectionError, RedisTimeoutError, OSError)
TRANSIENT_ERRORS: tuple[type[Exception], ...] = (
    *UNREACHABLE_ERRORS, AskError, TryAgainError, ClusterDownError, MasterDownError, ReadOnlyError,
)  # fmt: skip
"""Transient failures: what a node answers, or fails with, while slots or masters change. A retry may succeed."""
MAX_REDIRECTIONS = 5
ASK_SECONDS = 0.5
"""How long one node may take to answer CLUSTER SLOTS."""
ASK_EVERY_SECONDS = 0.1
"""The pause between two refreshes, at least."""
SUSPECT_SECONDS = 5.0
"""For how long after a failure a node is asked only after all others."""


class SlotParser(ClusterParser):
    """Also parses the error for a blocking command whose master becomes a replica."""

    EXCEPTION_CLASSES = ClusterParser.EXCEPTION_CLASSES | {"UNBLOCKED": RedisConnectionError}


class Topology:
    """The slot map. `ask(address)` returns that node's answer to CLUSTER SLOTS."""

    def __init__(self, seeds: Iterable[Address], ask: Callable[[Address], Awaitable[Any]]) -> None:
        self.masters: tuple[Address, ...] = ()
        self.replicas: tuple[Address, ...] = ()
        self._seeds = tuple(seeds)
        self._ask = ask
        self._owners: list[Address | None] = [None] * SLOTS
        self._suspects: dict[Address, float] = {}
        self._asked_at = 0.0
        self._asking: asyncio.Task[None] | None = None

    @property
    def nodes(self) -> tuple[Address, ...]:
        """All known nodes, masters first."""
        return self.masters + self.replicas

    def owner(self, slot: int) -> Address | None:
        """Return the node that served the slot at the last refresh; None if none did."""
        return self._owners[slot]

    async def locate(self, slot: int | None) -> Address:
        """Return the node that serves the slot; for None, a master that has not failed lately.

        Raises what the nodes that were asked have failed with.
        """
        if not self.masters or (slot is not None and self._owners[slot] is None):
            await self.refresh()
        if slot is None:
            return random.choice(self._trusted(self.masters) or self.masters)
        owner = self._owners[slot]
        if owner is None:
            raise _down(f"no node serves slot {slot}")
        return owner

    def learn(self, asked: Address, error: Exception) -> tuple[Address, bool] | None:
        """Record that `asked` failed with `error`.

        Return where the error redirects the command, and whether ASKING must precede it there; None if it does not.
        """
        if isinstance(error, AskError):
            address = (error.host or asked[0], int(error.port))
            if not isinstance(error, MovedError):
                return address, True
            self._owners[error.slot_id] = address
            self._begin_refresh()  # one slot seldom moves alone
            return address, False
        if isinstance(error, UNREACHABLE_ERRORS):
            self._suspects[asked] = time.monotonic() + SUSPECT_SECONDS
        return None

    async def follow(self, address: Address, asking: bool, send: Callable[[Address, bool], Awaitable[T]]) -> T:
        """Return what `send(address, asking)` returns, or what it returns for the node that it is redirected to.

        Raises what `send` raises; after too many redirections, the last one.
        """
        for _ in range(MAX_REDIRECTIONS):
            try:
                return await send(address, asking)
            except TRANSIENT_ERRORS as error:
                there = self.learn(address, error)
                if there is None:
                    raise
                failure = error
            address, asking = there
        raise failure

    async def refresh(self) -> None:
        """Ask the nodes which of them serves which slot. Concurrent callers share one answer."""
        await asyncio.shield(self._begin_refresh())

    async def aclose(self) -> None:
        """Cancel a refresh that is under way."""
        await cancel_and_wait(self._asking)

    def _begin_refresh(self) -> "asyncio.Task[None]":
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._refresh(), name="cluster topology")
            self._asking.add_done_callback(_retrieve_failure)
        return self._asking

    async def _refresh(self) -> None:
        await asyncio.sleep(max(0.0, self._asked_at + ASK_EVERY_SECONDS - time.monotonic()))
        failure: Exception = RedisConnectionError("no node of the cluster is known")
        for address in self._candidates():
            self._asked_at = time.monotonic()
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    rows = await self._ask(address)
            except (RedisError, OSError) as error:
                self.learn(address, error)
                if isinstance(failure, UNREACHABLE_ERRORS) and not isinstance(failure, AuthenticationError):
                    failure = error
                continue
            if rows:
                self._take(address, rows)
                return
            failure = _down(f"{address[0]}:{address[1]} knows no node that serves a slot")
        raise failure

    def _candidates(self) -> list[Address]:
        """Return the nodes to ask, those that have not failed lately first."""
        known = random.sample(self.nodes, len(self.nodes))
        candidates = dict.fromkeys([*known, *self._seeds])
        trusted = self._trusted(candidates)
        return [*trusted, *(address for address in candidates if address not in trusted)]

    def _trusted(self, addresses: Iterable[Address]) -> list[Address]:
        now = time.monotonic()
        return [address for address in addresses if self._suspects.get(address, 0.0) < now]

    def _take(self, asked: Address, rows: Iterable[Any]) -> None:
        owners: list[Address | None] = [None] * SLOTS
        masters: dict[Address, None] = {}
        replicas: dict[Address, None] = {}
        for first, last, master, *followers in rows:
            address = _address(asked, master)
            owners[first : last + 1] = [address] * (last + 1 - first)
            masters[address] = None
            replicas.update(dict.fromkeys(_address(asked, follower) for follower in followers))
        if set(masters) != set(self.masters):
            logger.info(
                "The masters of the Redis Cluster are %s", ", ".join(f"{host}:{port}" for host, port in masters),
                extra={"action": "redis.topology"},
            )  # fmt: skip
        self._owners, self.masters, self.replicas = owners, tuple(masters), tuple(replicas)
        now = time.monotonic()
        self._suspects = {address: until for address, until in self._suspects.items() if until > now}


def _down(reason: str) -> Exception:
    return ClusterDownError(f"CLUSTERDOWN {reason}")  # type: ignore[no-untyped-call]


def _address(asked: Address, node: Any) -> Address:
    """Return a node's address. If its host is missing, or "?", it is the host of the node that was asked."""
    host = node[0].decode() if isinstance(node[0], bytes) else node[0]
    return (asked[0] if host in (None, "", "?") else host, int(node[1]))


def _retrieve_failure(task: "asyncio.Task[None]") -> None:
    """Retrieve the failure of a refresh, so that asyncio does not report it where no caller waits for it."""
    if not task.cancelled():
        task.exception()
