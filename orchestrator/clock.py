"""The time that all processes of a deployment share: that of the Redis server.

Machines' clocks differ by seconds, sometimes by minutes. Times that two processes compare (when a turn was committed,
since when a caller has been waiting, until when an ingress listens) are taken from here. Without Redis, and until its
time was read, it is this machine's time.

A machine's clock may be set at any moment: between two readings of the server's time a monotonic clock counts.
"""

import time
from datetime import UTC, datetime

NOTICEABLE_SECONDS = 0.01
"""A smaller difference is the latency of the reading; following it would make time jump back and forth."""

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
    """Set the clock to `server_time` (Unix seconds), which was read between two moments of the monotonic clock."""
    global _server_time_at_zero
    uncertain = (answered_at - asked_at) / 2
    read = server_time - (asked_at + answered_at) / 2
    if _server_time_at_zero is None or abs(read - _server_time_at_zero) > uncertain + NOTICEABLE_SECONDS:
        _server_time_at_zero = read
