"""How the latest turns of a worker ended: what `voiceagent rollout` shows, and what ends a ramp that fails. No I/O."""

from collections import deque
from typing import Any

from orchestrator import clock
from orchestrator.worker_versions.plan import Tally

WINDOW = 50
"""How many of the last turns count."""
FAILURES = frozenset({"failed", "timed_out", "process_lost", "dead_letter"})
"""Ends of an agent's run that count as a failure: it raised or yielded nonsense, it exceeded its deadline, the process
that it ran in was lost, or its turn was put among the dead letters."""
ANSWERS = frozenset({"replied", "interrupted", "ended"})
"""Ends that count as no failure. What ended in any other way is run again, and counts then."""


class TurnOutcomes:
    """Keeps how the last `WINDOW` turns ended that this process has run, and counts all of them."""

    def __init__(self) -> None:
        self.total = 0
        self._latest: deque[tuple[int, float, bool]] = deque(maxlen=WINDOW)
        """The number of a turn, when it ended, and whether it failed."""

    def ended(self, outcome: str) -> None:
        """Note how an agent's run has ended."""
        if outcome in FAILURES or outcome in ANSWERS:
            self.total += 1
            self._latest.append((self.total, clock.now(), outcome in FAILURES))

    def after(self, number: int, since: float = 0.0) -> list[bool]:
        """Return whether each turn failed that came after the turn `number`, and ended at `since` or later."""
        return [failed for turn, at, failed in self._latest if turn > number and at >= since]

    @property
    def tally(self) -> Tally:
        """Return how many of the last turns failed."""
        return Tally(len(self._latest), sum(failed for _, _, failed in self._latest))

    def status(self) -> dict[str, Any]:
        """Return what a worker's heartbeat tells of them."""
        tally = self.tally
        return {"turns": self.total, "seen": tally.seen, "failed": tally.failed}
