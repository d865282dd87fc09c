"""Whether a worker can claim: Redis may answer, and refuse just that, again and again."""

import logging
from collections import Counter

from redis.exceptions import ResponseError

from orchestrator.redis.errors import explain

logger = logging.getLogger(__name__)

FAILS_AFTER = 5
"""So many refusals in a row, a second or two apart in the end, are no accident."""


class ClaimHealth:
    """Counts refused claims, by queue. A Redis that does not answer at all is another matter, which everybody sees."""

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()

    @property
    def cannot_claim(self) -> bool:
        """Whether nothing can be claimed from a queue though Redis answers."""
        return any(refused >= FAILS_AFTER for refused in self._refused.values())

    def failed(self, queue: str, error: BaseException) -> None:
        """A claim, or the wait for one, has failed."""
        if not isinstance(error, ResponseError):
            return
        self._refused[queue] += 1
        if self._refused[queue] == FAILS_AFTER:
            logger.error(
                "This worker can claim no turns from %s though Redis answers: %s (%s)", queue, explain(error), error,
                extra={"action": "worker.claims_failing"},
            )  # fmt: skip

    def succeeded(self, queue: str) -> None:
        """A claim went through."""
        if self._refused.pop(queue, 0) >= FAILS_AFTER:
            logger.info("This worker can claim turns from %s again", queue, extra={"action": "worker.claims_recovered"})
