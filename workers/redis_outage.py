"""Logs when Redis goes down for a worker and when it is up again, and says how long to wait before a retry."""

import logging

from orchestrator.redis.errors import explain

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 1.0


class RedisOutage:
    """The state of Redis as one worker sees it. Logs each outage once, and its end once."""

    def __init__(self) -> None:
        self._failures = 0
        self._writes_fail = False

    @property
    def is_on(self) -> bool:
        """True if no step has succeeded since one failed."""
        return self._failures > 0

    def failed(self, error: BaseException, *, writes: bool) -> float:
        """Note that a step has failed. Return for how many seconds to wait.

        `writes` says that the step does little else than write; else it may only have read.
        """
        self._failures += 1
        self._writes_fail = self._writes_fail or writes
        if self._failures == 1:
            logger.warning("%s The worker waits for it.", explain(error), extra={"action": "worker.redis_down"})
        return min(LONGEST_PAUSE_SECONDS, 0.05 * 2.0 ** min(self._failures, 5))

    def succeeded(self, *, wrote: bool = False) -> None:
        """Note that a step has succeeded.

        After a failed write only a write ends the outage: a server that refuses writes still answers reads.
        """
        if self._failures and (wrote or not self._writes_fail):
            self._failures, self._writes_fail = 0, False
            logger.info("Redis answers again", extra={"action": "worker.redis_up"})
