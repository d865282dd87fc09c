"""The metrics of all web processes on a port, as one of them exposes them."""

import json
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from orchestrator.metrics import Metrics
from web.processes.samples import CREATED, Samples, add

_SUFFIXES = {"counter": ("_total", CREATED), "histogram": ("_bucket", "_sum", "_count", CREATED)}


def additive_samples(metrics: Metrics) -> Samples:
    """Return the counters and histograms of this process."""
    families = (family for family in metrics.collect() if family.type in _SUFFIXES)
    return {_key(sample): sample.value for family in families for sample in family.samples}


def summed_exposition(metrics: Metrics, others: Mapping[str, float]) -> bytes:
    """Return the metrics of this process in Prometheus' text format, with those of `others` added.

    Gauges are those of this process: they describe the whole system, and each process reads the same.
    """
    return generate_latest(_Summed(metrics, others))


class _Summed:
    def __init__(self, metrics: Metrics, others: Mapping[str, float]) -> None:
        self._metrics = metrics
        self._others = others

    def collect(self) -> Iterator[Metric]:
        for family in self._metrics.collect():
            yield self._added(family) if family.type in _SUFFIXES else family

    def _added(self, family: Metric) -> Metric:
        names = [f'["{family.name}{suffix}",' for suffix in _SUFFIXES[family.type]]
        total = {_key(sample): sample.value for sample in family.samples}
        add(total, {key: value for key, value in self._others.items() if key.startswith(tuple(names))})
        summed = Metric(family.name, family.documentation, family.type)
        summed.samples = list(_samples(total.items()))
        return summed


def _key(sample: Sample) -> str:
    return json.dumps([sample.name, list(sample.labels.items())], separators=(",", ":"))


def _samples(values: Iterable[tuple[str, float]]) -> Iterator[Sample]:
    for key, value in values:
        name, labels = json.loads(key)
        yield Sample(name, dict(labels), value)
