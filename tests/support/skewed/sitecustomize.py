"""What an interpreter with a wrong clock loads at its start: `time.time` is ahead by so many seconds."""

import os
import time

_real = time.time


def _ahead() -> float:
    """Read anew each time: a forked process has another environment than the one that it is forked from."""
    return float(os.environ.get("CLOCK_AHEAD_SECONDS", "0"))


time.time = lambda: _real() + _ahead()
time.time_ns = lambda: int((_real() + _ahead()) * 1e9)
