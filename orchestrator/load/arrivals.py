"""When calls begin."""

from collections.abc import Iterator
from random import Random
from typing import Literal

Arrival = Literal["burst", "ramp", "poisson"]


def pauses(arrival: Arrival, calls: int, rate: float, seed: int = 1) -> Iterator[float]:
    """The seconds between each call's beginning and the one before, for `calls` calls.

    `burst`: all at once. `ramp`: evenly, `rate` a second, so that their number grows steadily. `poisson`: at random
    times that average `rate` a second, as callers who know nothing of each other come.
    """
    chance = Random(seed)
    for number in range(calls):
        if arrival == "burst" or number == 0:
            yield 0.0
        else:
            yield 1 / rate if arrival == "ramp" else chance.expovariate(rate)
