"""Pauses a session's output while it is not known whether the caller's new words interrupt the agent."""

import math
import time

from orchestrator.dispatch.pending_reply import PendingReply

INTERRUPT_GRACE_SECONDS = 0.15
"""After the caller's words reach the store, wait this long before sending more of the old reply, so that an interrupted
agent can stop first."""
MAX_INTERRUPT_GRACE_SECONDS = 2.0
"""If storing the words took longer than the grace time, the store is slow: wait as long again, up to this."""


class OutputGate:
    """Closed from the first `pause` until some time after the last `resume`.

    The grace times are in seconds. Each `pause` needs one `resume`: a caller may speak again before the first words are
    stored.
    """

    def __init__(
        self,
        grace_seconds: float = INTERRUPT_GRACE_SECONDS,
        max_grace_seconds: float = MAX_INTERRUPT_GRACE_SECONDS,
    ) -> None:
        self._grace = grace_seconds
        self._max_grace = max_grace_seconds
        self._pauses = 0
        self._paused_at = 0.0
        self._clear_at = 0.0

    @property
    def is_paused(self) -> bool:
        """True between a `pause` and its `resume`."""
        return self._pauses > 0

    def pause(self) -> None:
        """Close the gate: the caller spoke, and their words are on the way to the store."""
        if not self._pauses:
            self._paused_at = time.monotonic()
        self._pauses += 1

    def resume(self) -> None:
        """Open the gate after the grace time, unless another `pause` is left: the store has the words."""
        self._pauses -= 1
        now = time.monotonic()
        self._clear_at = now + max(self._grace, min(now - self._paused_at, self._max_grace))

    async def wait_clear(self, pending: PendingReply) -> None:
        """Return when the gate is open, or once `pending` has its result, which says whether it was interrupted."""
        while pending.result is None and (left := self._seconds_left) > 0:
            await pending.wait(min(left, self._grace))

    @property
    def _seconds_left(self) -> float:
        return math.inf if self._pauses else self._clear_at - time.monotonic()
