"""What a worker says of a Redis that fails it, and how long it waits before it tries again."""

import logging

from orchestrator.redis.errors import explain

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 1.0


class RedisOutage:
    """One worker's. Each outage is told once, and its end once."""

    def __init__(self) -> None:
        self._failures = 0
        self._writes_fail = False

    @property
    def is_on(self) -> bool:
        """Whether nothing has succeeded yet since a step failed."""
        return self._failures > 0

    def failed(self, error: BaseException, *, writes: bool) -> float:
        """A step has failed that `writes` before all, or may do no more than read; how many seconds to wait now."""
        self._failures += 1
        self._writes_fail = self._writes_fail or writes
        if self._failures == 1:
            logger.warning("%s The worker waits for it.", explain(error), extra={"action": "worker.redis_down"})
        return min(LONGEST_PAUSE_SECONDS, 0.05 * 2.0 ** min(self._failures, 5))

    def succeeded(self, *, wrote: bool = False) -> None:
        """A step has succeeded. Where writes failed only a write tells that Redis is well again: a server that refuses
        them goes on answering whoever reads."""
        if self._failures and (wrote or not self._writes_fail):
            self._failures, self._writes_fail = 0, False
            logger.info("Redis answers again", extra={"action": "worker.redis_up"})
