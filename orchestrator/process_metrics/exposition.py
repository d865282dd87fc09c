"""Makes Prometheus' families of counts."""

import math
from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric

from orchestrator.process_metrics.families import NO_LIMIT, SUM, Counts, Family, first_counts


def metric_families(families: Iterable[Family], counts: Counts) -> Iterator[Metric]:
    """Return `families` with these counts. Counts of a metric that is not among them are left out."""
    by_name: dict[str, Counts] = {}
    for key, value in counts.items():
        by_name.setdefault(key.metric, {})[key] = value
    for family in families:
        own = {**first_counts(family), **by_name.get(family.name, {})}
        own = {key: value for key, value in own.items() if len(key.labels) == len(family.labels)}
        yield _counter(family, own) if family.kind == "counter" else _histogram(family, own)


def _counter(family: Family, counts: Counts) -> Metric:
    metric = CounterMetricFamily(family.name, family.help_text, labels=family.labels)
    for key, value in sorted(counts.items()):
        metric.add_metric(key.labels, value)
    return metric


def _histogram(family: Family, counts: Counts) -> Metric:
    metric = HistogramMetricFamily(family.name, family.help_text, labels=family.labels)
    for labels in sorted({key.labels for key in counts}):
        parts = {key.part: value for key, value in counts.items() if key.labels == labels}
        total = parts.pop(SUM, 0.0)
        parts.update({part: parts.get(part, 0.0) for part in family.parts if part != SUM})
        metric.add_metric(labels, list(_cumulative(parts)), sum_value=total)
    return metric


def _cumulative(parts: dict[str, float]) -> Iterator[tuple[str, float]]:
    """Return the buckets by rising limit, each with what lies below its limit."""
    below = 0.0
    for part in sorted(parts, key=_limit):
        below += parts[part]
        yield _bucket_name(part), below


def _limit(part: str) -> float:
    try:
        return math.inf if part == NO_LIMIT else float(part)
    except ValueError:
        return math.inf


def _bucket_name(part: str) -> str:
    """Return a limit as Prometheus' clients write it: `1.0`."""
    return part if part == NO_LIMIT else str(float(part))
