"""Limits on connections: their number, the time of each phase, and the size of a request's head.

What strangers send before a signature can be checked must cost little, so these bounds apply to every connection. Each
refusal is counted, and logged at most once in `LOG_EVERY_SECONDS` for each reason.
"""

import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

from orchestrator.metrics import Metrics
from web.rate_limit import RateLimit

logger = logging.getLogger(__name__)

LOG_EVERY_SECONDS = 10.0
RESERVED_DESCRIPTORS = 128
"""File descriptors kept free for Redis, logs, the listening sockets and connections that are being refused."""
PUBLIC_PEER_CONNECTIONS = 256


class Deadlined(Protocol):
    """A connection that must do something by `deadline` (seconds of the event loop's clock); 0 means no deadline."""

    deadline: float

    def expire(self, now: float) -> None:
        """Close the connection: its deadline has passed."""


@dataclass(frozen=True)
class Bounds:
    """The bounds of one connection: bytes, counts and seconds."""

    url_bytes: int = 16 * 1024
    header_bytes: int = 64 * 1024
    headers: int = 100
    header_seconds: float = 10.0
    body_seconds: float = 15.0
    write_seconds: float = 30.0


class ConnectionLimits:
    """Admits connections, and closes those that take too long.

    `per_peer` bounds plain HTTP connections from one address. A WebSocket counts only until its upgrade, since the
    provider's relay opens thousands from a few addresses. None means `PUBLIC_PEER_CONNECTIONS` for public addresses and
    no bound for private ones: those are proxies, which forward the connections of many.

    `total` is how many connections this process can hold, `total_of_all` how many all processes on the port may
    hold together. What the others hold, `held_elsewhere`, is set once a second. `count_open` returns how many are open
    in this process, WebSockets included.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        total: int,
        total_of_all: int | None = None,
        per_peer: int | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self.bounds = bounds or Bounds()
        self.leaving = False
        self.held_elsewhere = 0
        self.count_open: Callable[[], int] = lambda: len(self._open)
        self._metrics = metrics
        self._total = total
        self._total_of_all = total if total_of_all is None else total_of_all
        self._per_peer = per_peer
        self._open: set[Deadlined] = set()
        self._peers: Counter[str] = Counter()
        self._warnings = RateLimit(LOG_EVERY_SECONDS)

    @property
    def total_of_all(self) -> int:
        """How many connections may be open on the port."""
        return self._total_of_all

    @property
    def open_connections(self) -> frozenset[Deadlined]:
        """The connections that are counted at the moment."""
        return frozenset(self._open)

    def admit(self, connection: Deadlined, peer: str, others: int) -> str:
        """Count a connection from `peer`; `others` are open. Return the reason to refuse it, or ""."""
        if others >= self._total or others + self.held_elsewhere >= self._total_of_all:
            return "connections"
        if self._peers[peer] >= self._allowed(peer):
            return "connections_of_peer"
        self._open.add(connection)
        self._peers[peer] += 1
        return ""

    def release(self, connection: Deadlined, peer: str) -> None:
        """Stop counting a connection that is closed, or becomes a WebSocket. May be called twice."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        self._peers[peer] -= 1
        if self._peers[peer] <= 0:
            del self._peers[peer]

    def sweep(self, now: float) -> None:
        """Expire every connection whose deadline has passed. Called once a second."""
        for connection in [c for c in self._open if 0 < c.deadline <= now]:
            connection.expire(now)

    def refused(self, reason: str) -> None:
        """Count a refusal, and log it unless one for the same reason was logged a moment ago."""
        self._metrics.connection_refused(reason=reason)
        if (left_out := self._warnings.due(reason)) is not None:
            count = left_out + 1
            extra = {"action": "http.refused", "reason": reason, "count": count}
            logger.warning("Refused %d connections or requests: %s", count, _ADVICE.get(reason, reason), extra=extra)

    def _allowed(self, peer: str) -> int:
        if self._per_peer is not None:
            return self._per_peer
        return PUBLIC_PEER_CONNECTIONS if _is_public(peer) else self._total


_ADVICE = {
    "connections": "too many are open. Raise MAX_CONNECTIONS or the limit of open files, or add ingresses.",
    "connections_of_peer": "one address holds too many. If it is a proxy, raise MAX_CONNECTIONS_PER_PEER.",
    "url_too_long": "the URL is too long.",
    "headers_too_large": "the headers are too large or too many.",
    "header_timeout": "the headers did not arrive in time.",
    "body_timeout": "the body did not arrive in time.",
    "write_timeout": "the client does not read its answer.",
    "invalid": "what arrived is not HTTP/1.1.",
    "upgrade": "what asked for a WebSocket has a body, or a line that is too long.",
}


def connection_total(requested: int) -> int:
    """Return how many connections this process can hold: `requested`, or what the limit of open files leaves.

    The soft limit is raised to the hard one where that is allowed.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return requested
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = requested + RESERVED_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return requested
    total = max(soft - RESERVED_DESCRIPTORS, soft // 2, 1)
    logger.warning(
        "The limit of open files (%d) allows %d connections, not %d (MAX_CONNECTIONS). Raise it: ulimit -n %d",
        soft, total, requested, needed, extra={"action": "http.few_descriptors"},
    )  # fmt: skip
    return total


def _is_public(peer: str) -> bool:
    try:
        return ip_address(peer).is_global
    except ValueError:
        return False
