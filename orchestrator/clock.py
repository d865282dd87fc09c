"""The time that all processes of a deployment share: that of the Redis server.

Machines' clocks differ by seconds, sometimes by minutes. Times that two processes compare (when a turn was committed,
since when a caller has been waiting, until when an ingress listens) are taken from here. Without Redis, and until its
time was read, it is this machine's time.

A machine's clock may be set at any moment: between two readings of the server's time a monotonic clock counts.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

NOTICEABLE_SECONDS = 0.01
"""A smaller difference is the latency of the reading; following it would make time jump back and forth."""


class SharedClock:
    """Shows the server's time. `machine` and `monotonic` are this machine's clocks, in seconds."""

    def __init__(
        self, *, machine: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.machine = machine
        self.monotonic = monotonic
        self._server_time_at_zero: float | None = None  # when `monotonic` was at 0

    def now(self) -> float:
        """Return the time in Unix seconds."""
        if self._server_time_at_zero is None:
            return self.machine()
        return self._server_time_at_zero + self.monotonic()

    def synchronize(self, server_time: float, *, asked_at: float, answered_at: float) -> None:
        """Set the clock to `server_time` (Unix seconds), which was read between two moments of `monotonic`."""
        uncertain = (answered_at - asked_at) / 2
        read = server_time - (asked_at + answered_at) / 2
        at_zero = self._server_time_at_zero
        if at_zero is None or abs(read - at_zero) > uncertain + NOTICEABLE_SECONDS:
            self._server_time_at_zero = read


process_clock = SharedClock()
"""What `now` and `utc_now` read. `orchestrator.redis.clock_sync` synchronizes it."""


now = process_clock.now
"""Returns the time in Unix seconds."""


def utc_now() -> datetime:
    """Return the time with its zone (UTC)."""
    return datetime.fromtimestamp(now(), UTC)


def machine_ns_at(moment: float) -> int:
    """Return what this machine's own clock showed at `moment`, a time that `now` has returned."""
    return machine_ns() - int((now() - moment) * 1e9)


def machine_ns() -> int:
    """Return this machine's own time in Unix nanoseconds: the clock that all libraries read that make spans."""
    return time.time_ns()
