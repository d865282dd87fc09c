"""Tells whether a worker can claim turns: Redis may answer other commands and refuse only the claims."""

import logging
from collections import Counter

from redis.exceptions import ResponseError

from orchestrator.redis.errors import explain

logger = logging.getLogger(__name__)

FAILS_AFTER = 5
"""After this many refusals in a row, the last ones a second or two apart, a worker counts as unable to claim."""


class ClaimHealth:
    """Counts refused claims by queue. A Redis that does not answer at all does not count: other checks report that."""

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()

    @property
    def cannot_claim(self) -> bool:
        """True if claims from a queue fail although Redis answers."""
        return any(refused >= FAILS_AFTER for refused in self._refused.values())

    def failed(self, queue: str, error: BaseException) -> None:
        """Note that a claim, or the wait for a wake-up, has failed with `error`."""
        if not isinstance(error, ResponseError):
            return
        self._refused[queue] += 1
        if self._refused[queue] == FAILS_AFTER:
            logger.error(
                "This worker cannot claim turns from %s although Redis answers: %s (%s)", queue, explain(error), error,
                extra={"action": "worker.claims_failing"},
            )  # fmt: skip

    def succeeded(self, queue: str) -> None:
        """Note that a claim from `queue` has succeeded."""
        if self._refused.pop(queue, 0) >= FAILS_AFTER:
            logger.info("This worker can claim turns from %s again", queue, extra={"action": "worker.claims_recovered"})
