"""The time that all processes of a deployment agree on: that of the Redis server.

Machines' clocks differ by seconds, sometimes by minutes. Where the times of two processes meet (when a turn was
committed, since when a caller has been waiting, until when an ingress listens), each takes them from here. Until a
server's time is known, and without Redis, it is this machine's.

A machine's clock may be set meanwhile: between two readings of the server's time a monotonic clock counts.
"""

import time
from datetime import UTC, datetime

NOTICEABLE_SECONDS = 0.01
"""A smaller difference is the journey of the reading; to follow it would let time go back and forth."""

_server_time_at_zero: float | None = None
"""The server's time when this process's monotonic clock was at 0."""


def now() -> float:
    """Return the time in Unix seconds."""
    if _server_time_at_zero is None:
        return time.time()
    return _server_time_at_zero + time.monotonic()


def utc_now() -> datetime:
    """Return the time with its zone (UTC)."""
    return datetime.fromtimestamp(now(), UTC)


def synchronize(server_time: float, *, asked_at: float, answered_at: float) -> None:
    """Take the server's time, in Unix seconds, which was read between two moments of the monotonic clock."""
    global _server_time_at_zero
    uncertain = (answered_at - asked_at) / 2
    read = server_time - (asked_at + answered_at) / 2
    if _server_time_at_zero is None or abs(read - _server_time_at_zero) > uncertain + NOTICEABLE_SECONDS:
        _server_time_at_zero = read
