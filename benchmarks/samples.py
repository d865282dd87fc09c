"""Runs of a contender, and what is read off them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed; NaN of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Run:
    """One order carried out. Times are in seconds."""

    seconds: float
    latencies: list[float]
    errors: list[str] = field(default_factory=list)

    @property
    def p10(self) -> float:
        return percentile(self.latencies, 0.10)

    @property
    def p50(self) -> float:
        return percentile(self.latencies, 0.50)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds


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
        return median(run.per_second for run in self.runs)

    def ms(self, share: float) -> float:
        """A percentile over all runs, in milliseconds."""
        return 1000 * percentile(self.latencies, share)


def ratio(one: Series, other: Series, of: Callable[[Run], float] = lambda run: run.p50) -> float:
    """How many times the other one it is: the median over the rounds in which both came to something; else NaN."""
    rounds = zip(one.runs, other.runs, strict=True)
    ratios = [of(a) / of(b) for a, b in rounds if a.latencies and b.latencies]
    return median(ratios) if ratios else float("nan")


Leg = Callable[[], Awaitable[Run]]


async def in_turns(rounds: int, legs: Mapping[str, Leg]) -> dict[str, Series]:
    """Every leg once a round, in an order that turns around each time."""
    series = {name: Series() for name in legs}
    for number in range(rounds):
        for name in list(legs) if number % 2 == 0 else reversed(list(legs)):
            series[name].runs.append(await legs[name]())
    return series
