"""Durations, sizes and moments as a person reads and writes them."""

import argparse
import re
from datetime import datetime

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))
_SIZES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_DURATION = re.compile(r"([0-9]{1,6}) ?(s|min|h|d)", re.ASCII)
_WANTED = "give a duration (90s, 30min, 2h, 3d) or a time (2026-11-26T08:00)"


def duration(seconds: float) -> str:
    """Return a duration in its largest unit: 40 s, 5 min, 2 h, 3 d."""
    seconds = max(0, round(seconds))
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def size(count: int) -> str:
    """Return a number of bytes: 812 B, 4.2 kB, 1.3 MB."""
    for unit, length in _SIZES:
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count} B"


def moment_since(text: str, now: float) -> float:
    """Return the moment that `text` names, in Unix seconds: so long before `now`, or a time of this time zone."""
    if match := _DURATION.fullmatch(text.strip()):
        return now - int(match[1]) * {**dict(_UNITS), "s": 1}[match[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} will not do: {_WANTED}.") from None
