"""Counters and histograms that any code of a process may count with. Standard library only.

Workers import this and no Prometheus client: nothing can scrape them. Whoever exposes the counts
(`orchestrator.process_metrics.exposition`) makes Prometheus' families of them.
"""

import threading
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Literal, NamedTuple

SUM = "sum"
"""`CountKey.part` of the sum of what a histogram has observed."""
NO_LIMIT = "+Inf"


class CountKey(NamedTuple):
    """What is counted by one number.

    `part` is "" for a counter. For a histogram it is `SUM`, or the upper limit of a bucket, whose number counts what
    lies between the limit below it and this one: buckets of two versions of the code add up so.
    """

    metric: str
    labels: tuple[str, ...]
    part: str


Counts = dict[CountKey, float]


class Family(ABC):
    """A metric with its labels.

    `values` names the values that a label has from the start, for each label in its order; a label without them has
    those that were counted. A counter that appears with its first count looks to `rate()` as if it had not grown.
    """

    kind: Literal["counter", "histogram"]

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = (), values: Sequence[Iterable[str]] = ()):
        self.name = name
        self.help_text = help_text
        self.labels = tuple(labels)
        self.first_labels = list(product(*values)) if len(values) == len(self.labels) else []
        self._lock = threading.Lock()  # agents count in threads of their own
        self._cells: dict[tuple[str, ...], list[float]] = {}
        """Labels → a number for each of `parts`."""

    @property
    @abstractmethod
    def parts(self) -> tuple[str, ...]:
        """The `CountKey.part`s of each combination of labels."""

    def counts(self) -> Counts:
        """Return what was counted."""
        with self._lock:
            cells = [(labels, list(numbers)) for labels, numbers in self._cells.items()]
        return {
            CountKey(self.name, labels, part): number
            for labels, numbers in cells
            for part, number in zip(self.parts, numbers, strict=True)
            if number
        }

    def add(self, counts: Mapping[CountKey, float]) -> None:
        """Add what another process has counted with this metric."""
        places = {part: place for place, part in enumerate(self.parts)}
        with self._lock:
            for key, amount in counts.items():
                if (place := places.get(key.part)) is not None:
                    self._numbers(key.labels)[place] += amount

    def _numbers(self, labels: tuple[str, ...]) -> list[float]:
        numbers = self._cells.get(labels)
        if numbers is None:
            numbers = self._cells[labels] = [0.0] * len(self.parts)
        return numbers


class Counter(Family):
    """Counts how often something happened, or how much of it there was."""

    kind = "counter"
    parts = ("",)

    def inc(self, *labels: str, by: float = 1) -> None:
        """Count once, or `by`."""
        with self._lock:
            self._numbers(labels)[0] += by


class Histogram(Family):
    """Counts how long things took, in seconds, by buckets with these upper limits."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str] = (),
        values: Sequence[Iterable[str]] = (),
        *,
        limits: Sequence[float],
    ) -> None:
        super().__init__(name, help_text, labels, values)
        self._limits = tuple(limits)
        self._parts = (*(f"{limit:g}" for limit in limits), NO_LIMIT, SUM)

    @property
    def parts(self) -> tuple[str, ...]:
        return self._parts

    def observe(self, seconds: float, *labels: str) -> None:
        """Count one thing that took `seconds`."""
        self.observe_each(((seconds, labels),))

    def observe_each(self, observed: Iterable[tuple[float, tuple[str, ...]]]) -> None:
        """Count several things at once, each with its duration in seconds and its labels."""
        with self._lock:
            for seconds, labels in observed:
                numbers = self._numbers(labels)
                numbers[bisect_left(self._limits, seconds)] += 1
                numbers[-1] += seconds


def first_counts(family: Family) -> Counts:
    """Return zeros for what the family exposes before anything was counted."""
    combinations: Iterable[tuple[str, ...]] = family.first_labels if family.labels else [()]
    return {CountKey(family.name, labels, part): 0 for labels in combinations for part in family.parts}
