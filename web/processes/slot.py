"""The place of one web process: who is in it, and when the next one starts. Standard library only."""

import math

from web.processes.web_process import WebProcess

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class Slot:
    """Place number `number`. `start_at` is when a process starts here; infinity while one runs."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.start_at = -math.inf
        self.failed_starts = 0
        """How many processes in a row ended here soon after their start."""

    def pause_after(self, ended: WebProcess, now: float) -> float:
        """Return how long to wait for the next start: not at all after a process that had served."""
        if ended.has_started_well(now):
            self.failed_starts = 0
            return 0.0
        self.failed_starts += 1
        return min(FIRST_PAUSE_SECONDS * 2.0 ** (self.failed_starts - 1), LONGEST_PAUSE_SECONDS)
