"""Whether the new calls of one tenant are taken, by how long its turns wait for a worker.

What a call adds to the load shows seconds after it began, once its caller speaks. So a gate that closed does not open
at once: before the first of them speaks, as many would come in as were refused. It lets in one call in the first step,
two in the next one, then four, up to most of what it let in a step before it closed. From there on it lets in a little
more in each step, until turns wait too long again, or fewer callers come than it would let in: then it is open. TCP
finds in the same way how much a network carries (RFC 5681: slow start, congestion avoidance).
"""

import math

END_SHARE = 0.5
"""Calls are let in only while no turn has waited for this share of the limit."""
LASTING_SHARE, MOST_LASTING_SECONDS = 0.25, 2.0
"""A gate closes once turns have waited too long for this share of the limit, or so many seconds: when Redis was away,
what waited meanwhile is claimed at once."""
AGAIN_SHARE = 2.0
"""The same for a gate that is opening: what it let in stops at once, and what it may let in falls after so long."""
STEP_SECONDS = 2.0
BACK_SHARE = 0.7
"""It doubles what it lets in up to this share of what it let in a step when turns began to wait."""
MORE_SHARE, LEAST_MORE = 0.05, 0.25
"""By this share, and so many calls at least, it lets in more in each step after that."""


class CallGate:
    """Open at first. `after`: how long (s) a turn may wait."""

    def __init__(self, after: float, *, step_seconds: float = STEP_SECONDS) -> None:
        self._after = after
        self._step_seconds = step_seconds
        self.is_closed = False
        self.wait = 0.0
        """For how long the oldest turn had waited when that was read last."""
        self._over_since: float | None = None
        self._step_ends = 0.0
        self._asked = 0
        """Calls that began in this step, taken or not."""
        self._rate = 0.0
        """While it is open: what a step brought lately."""
        self._allowed = 0.0
        """While it is closed: how many it lets in a step; 0 until turns wait no more."""
        self._carried = 1.0
        """Up to so many it may double them."""
        self._left = 0

    @property
    def is_idle(self) -> bool:
        """True if it is open, no turn waits too long, and no call began lately."""
        return not self.is_closed and self._over_since is None and self._asked + self._rate < 1

    def note(self, wait: float, now: float) -> None:
        """Note for how long the oldest turn has waited."""
        self.wait = wait
        if wait < self._after:
            self._over_since = None
        elif self._over_since is None:
            self._over_since = now
        if self._over_since is not None:
            self._left = 0
            self._close_if_it_lasts(now - self._over_since, now)
        elif self.is_closed and wait >= self._after * END_SHARE:
            self._left = 0
        elif now >= self._step_ends:
            self._next_step(now)

    def lets_in(self) -> bool:
        """Return whether a call that begins now is taken, and count it."""
        self._asked += 1
        if not self.is_closed:
            return True
        self._left -= 1
        return self._left >= 0

    def _close_if_it_lasts(self, seconds: float, now: float) -> None:
        if not self.is_closed:
            if seconds >= min(self._after * LASTING_SHARE, MOST_LASTING_SECONDS):
                self._close(max(self._rate, self._asked), now)
        elif self._allowed and seconds >= min(self._after * AGAIN_SHARE, MOST_LASTING_SECONDS):
            self._close(self._allowed, now)

    def _close(self, rate: float, now: float) -> None:
        self.is_closed, self._allowed, self._left, self._step_ends = True, 0.0, 0, now
        self._carried = max(1.0, rate * BACK_SHARE)

    def _next_step(self, now: float) -> None:
        asked, self._asked = self._asked, 0
        self._step_ends = now + self._step_seconds
        if self.is_closed and asked < self._allowed:
            self.is_closed, self._rate = False, self._allowed
        elif not self.is_closed:
            self._rate = max(asked, self._rate / 2)
        else:
            self._allowed = self._more()
            self._left = math.floor(self._allowed)

    def _more(self) -> float:
        """Return how many the step that begins lets in."""
        if self._allowed < 1:
            return 1.0
        if self._allowed < self._carried:
            return min(2 * self._allowed, self._carried)
        return self._allowed + max(self._allowed * MORE_SHARE, LEAST_MORE)
