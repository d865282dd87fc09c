"""A machine whose clock is wrong: a Python process in which `time.time` is ahead by so many seconds.

The product reads a clock in one module, by `time.time` (a fence holds it to that), and so does arq. Only the wall clock
is shifted: as on such a machine, monotonic clocks go right.
"""

from pathlib import Path

_MODULE = """
import os, time
_real, _ahead = time.time, float(os.environ["CLOCK_AHEAD_SECONDS"])
time.time = lambda: _real() + _ahead
time.time_ns = lambda: int((_real() + _ahead) * 1e9)
"""


def skewed(directory: Path, seconds: float) -> dict[str, str]:
    """Return the environment of a Python process whose clock is ahead by `seconds`; `directory` holds what it loads."""
    place = directory / "skew"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(_MODULE)
    return {"PYTHONPATH": str(place), "CLOCK_AHEAD_SECONDS": str(seconds)}
