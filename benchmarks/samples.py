"""Runs of a contender, and what is read off them: nothing (NaN) off those in which anything failed.

What failed was not measured, and what else ran beside it had less to do than it seems.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from statistics import median


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed; NaN of nothing."""
    if not values:
        return nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def middle(values: Iterable[float]) -> float:
    """The median; NaN of nothing, and if one of the values is NaN."""
    found = list(values)
    return nan if not found or any(map(isnan, found)) else median(found)


@dataclass
class Run:
    """One order carried out. Times are in seconds."""

    seconds: float
    latencies: list[float]
    errors: list[str] = field(default_factory=list)

    @property
    def p10(self) -> float:
        return self.percentile(0.10)

    @property
    def p50(self) -> float:
        return self.percentile(0.50)

    @property
    def per_second(self) -> float:
        return nan if self.errors else len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The value in seconds that `share` (0 to 1) of the latencies do not exceed."""
        return nan if self.errors else percentile(self.latencies, share)


@dataclass
class Series:
    """The runs of one contender under one load."""

    runs: list[Run] = field(default_factory=list)

    @property
    def latencies(self) -> list[float]:
        return [latency for run in self.runs for latency in run.latencies]

    @property
    def errors(self) -> list[str]:
        return [error for run in self.runs for error in run.errors]

    @property
    def per_second(self) -> float:
        """Of the median run."""
        return middle(run.per_second for run in self.runs)

    def ms(self, share: float) -> float:
        """A percentile over all runs, in milliseconds."""
        return nan if self.errors else 1000 * percentile(self.latencies, share)

    @property
    def failures(self) -> str:
        """How many of how many calls failed, and how the first one did; "" if none did."""
        if not self.errors:
            return ""
        return f"{len(self.errors):,} of {len(self.errors) + len(self.latencies):,} failed ({self.errors[0]})"


def ratio(one: Series, other: Series, of: Callable[[Run], float] = lambda run: run.p50) -> float:
    """How many times the other one it is: the median over the rounds; NaN if anything failed in one of them."""
    return middle(of(a) / of(b) for a, b in zip(one.runs, other.runs, strict=True))


Leg = Callable[[], Awaitable[Run]]


async def in_turns(rounds: int, legs: Mapping[str, Leg]) -> dict[str, Series]:
    """Every leg once a round, in an order that turns around each time."""
    series = {name: Series() for name in legs}
    for number in range(rounds):
        for name in list(legs) if number % 2 == 0 else reversed(list(legs)):
            series[name].runs.append(await legs[name]())
    return series
