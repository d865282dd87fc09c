"""A machine whose clock is wrong: a Python process in which `time.time` is ahead by so many seconds.

The product reads a clock in one module, by `time.time` (a fence holds it to that), and so does arq. Only the wall clock
is shifted: as on such a machine, monotonic clocks go right.
"""

from pathlib import Path

SKEWED = Path(__file__).with_name("skewed")
"""Where the module is that an interpreter with a wrong clock loads at its start."""


def skewed(seconds: float) -> dict[str, str]:
    """Return the environment of a Python process whose clock is ahead by `seconds`, but for its other modules' path."""
    return {"PYTHONPATH": str(SKEWED), "CLOCK_AHEAD_SECONDS": str(seconds)}
