"""Counts in this process, by the moving window of the library `limits`.

The library's own storages in memory start a thread, or a task that nobody owns, to forget what is old. `TimesInMemory`
forgets when it counts, and remembers no more than `MOST_NAMES` names.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from limits import RateLimitItemPerSecond
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter

from orchestrator.rate_limits.rate import Rate

MOST_NAMES = 10_000


class TimesInMemory(Storage, MovingWindowSupport):
    """The times at which something happened, by name; of many names, those that were used last. `now`: in seconds."""

    STORAGE_SCHEME = None
    base_exceptions = ()

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Note that it happens now, unless it has happened `limit` times within `expiry` seconds."""
        times = self._recent(key, expiry)
        if len(times) + amount > limit:
            return False
        times.extend([self._now()] * amount)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return when the first of the last `expiry` seconds was, and how many there were."""
        times = self._recent(key, expiry)
        return (times[0] if times else self._now()), len(times)

    def get(self, key: str) -> int:
        """Return how many there were."""
        return len(self._times.get(key, ()))

    def get_expiry(self, key: str) -> float:
        """Return when the last one was."""
        times = self._times.get(key)
        return times[-1] if times else self._now()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Note that it happened, however often that was. Return how often."""
        self._recent(key, expiry).extend([self._now()] * amount)
        return len(self._times[key])

    def check(self) -> bool:
        """Return that this storage works."""
        return True

    def clear(self, key: str) -> None:
        """Forget one name."""
        self._times.pop(key, None)

    def reset(self) -> int:
        """Forget all. Return how many names there were."""
        count = len(self._times)
        self._times.clear()
        return count

    def _recent(self, key: str, expiry: int) -> deque[float]:
        times = self._times.setdefault(key, deque())
        self._times.move_to_end(key)
        if len(self._times) > MOST_NAMES:
            self._times.popitem(last=False)
        since = self._now() - expiry
        while times and times[0] <= since:
            times.popleft()
        return times


class RateLimiter:
    """Counts what happens in this process under a name."""

    def __init__(self, rate: Rate, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._item = RateLimitItemPerSecond(rate.count, rate.seconds)
        self._limiter = MovingWindowRateLimiter(TimesInMemory(now))

    def seconds_to_wait(self, name: str) -> float:
        """Count one more and return 0; or how long it is until the next one is allowed, and count nothing."""
        if self._limiter.hit(self._item, name):
            return 0.0
        return self._seconds_left(name)

    def seconds_until_next(self, name: str) -> float:
        """Return 0 if one more is allowed, or how long it is until then. Count nothing."""
        return 0.0 if self._limiter.test(self._item, name) else self._seconds_left(name)

    def _seconds_left(self, name: str) -> float:
        return max(self._limiter.get_window_stats(self._item, name).reset_time - self._now(), 0.001)
