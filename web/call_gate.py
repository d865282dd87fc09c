"""Whether the new calls of one tenant are taken, by how long its turns wait for a worker.

What a call adds to the load shows seconds after it began, once its caller speaks. So a gate that closed does not open
at once: before the first of them speaks, as many would come in as were refused. It lets in one call in the first step,
two in the next one, then four.
"""

END_SHARE = 0.5
"""Calls are taken again only while no turn has waited for this share of the limit."""
LASTING_SHARE, MOST_LASTING_SECONDS = 0.25, 2.0
"""A gate closes once turns have waited too long for this share of the limit, or so many seconds: when Redis was away,
what waited meanwhile is claimed at once."""
STEP_SECONDS = 2.0
STEPS = 6
"""After so many steps the gate is open."""


class CallGate:
    """Open at first. `after`: how long (s) a turn may wait."""

    def __init__(self, after: float, *, step_seconds: float = STEP_SECONDS) -> None:
        self._after = after
        self._step_seconds = step_seconds
        self.is_closed = False
        self.wait = 0.0
        """For how long the oldest turn had waited when that was read last."""
        self._step = 0
        self._step_ends = 0.0
        self._left = 0
        self._over_since: float | None = None

    @property
    def is_idle(self) -> bool:
        """True if it is open, and no turn waits too long."""
        return not self.is_closed and self._over_since is None

    def note(self, wait: float, now: float) -> None:
        """Note for how long the oldest turn has waited."""
        self.wait = wait
        if wait < self._after:
            self._over_since = None
        elif self._over_since is None:
            self._over_since = now
        if self._over_since is not None:
            self._close_if_it_lasts(now - self._over_since, now)
        elif not self.is_closed:
            return
        elif wait >= self._after * END_SHARE:
            self._left = 0
        elif now >= self._step_ends:
            self._next_step(now)

    def lets_in(self) -> bool:
        """Return whether a call that begins now is taken, and count it."""
        if not self.is_closed:
            return True
        self._left -= 1
        return self._left >= 0

    def _close_if_it_lasts(self, seconds: float, now: float) -> None:
        if self.is_closed or seconds >= min(self._after * LASTING_SHARE, MOST_LASTING_SECONDS):
            self.is_closed, self._step, self._step_ends, self._left = True, 0, now, 0

    def _next_step(self, now: float) -> None:
        if self._step == STEPS:
            self.is_closed = False
            return
        self._left = 2**self._step
        self._step += 1
        self._step_ends = now + self._step_seconds
