"""Percentiles of durations of which only the limits between which they lie are known."""

from bisect import bisect_left
from collections.abc import Mapping

from orchestrator.history.counted import LIMITS

PERCENTS = (50, 95, 99)


def percentiles_ms(counts: Mapping[float, float]) -> dict[str, float | None]:
    """Return `p50_ms`, `p95_ms` and `p99_ms` of durations; None if there are none.

    `counts` has how many lie below each limit (s) and above the limit before it. Between two limits the durations are
    taken to lie evenly.
    """
    total = sum(counts.values())
    ordered = sorted(counts.items())
    return {f"p{percent}_ms": _at(ordered, total * percent / 100) if total > 0 else None for percent in PERCENTS}


def _at(ordered: list[tuple[float, float]], rank: float) -> float:
    below = 0.0
    for limit, count in ordered:
        if below + count >= rank:
            lower = _limit_before(limit)
            upper = min(limit, LIMITS[-1])
            return round((lower + (upper - lower) * (rank - below) / count) * 1000, 2)
        below += count
    return round(min(ordered[-1][0], LIMITS[-1]) * 1000, 2)


def _limit_before(limit: float) -> float:
    place = bisect_left(LIMITS, limit)
    return LIMITS[place - 1] if place else 0.0
