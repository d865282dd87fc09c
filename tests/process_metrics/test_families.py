"""What a process counts becomes what Prometheus' own client would expose."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as TheirCounter
from prometheus_client import Histogram as TheirHistogram
from support.exposition import families

from orchestrator.process_metrics.exposition import metric_families
from orchestrator.process_metrics.families import Counter, CountKey, Family, Histogram

LIMITS = (0.1, 1, 2.5)


def samples(found) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in found
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def exposed(*ours: Family):
    counts = {key: value for family in ours for key, value in family.counts().items()}
    return samples(metric_families(ours, counts))


def test_a_counter_is_exposed_as_the_client_does() -> None:
    registry, ours = CollectorRegistry(), Counter("tries_total", "Tries.", ("kind",))
    theirs = TheirCounter("tries", "Tries.", ("kind",), registry=registry)
    for kind, amount in (("a", 1), ("b", 2.5), ("a", 1)):
        ours.inc(kind, by=amount)
        theirs.labels(kind).inc(amount)
    assert exposed(ours) == samples(registry.collect())


def test_a_histogram_is_exposed_as_the_client_does() -> None:
    registry, ours = CollectorRegistry(), Histogram("wait_seconds", "Waits.", ("kind",), limits=LIMITS)
    theirs = TheirHistogram("wait_seconds", "Waits.", ("kind",), buckets=LIMITS, registry=registry)
    for kind, seconds in (("a", 0.05), ("a", 0.1), ("a", 0.11), ("b", 2.5), ("b", 99)):
        ours.observe(seconds, kind)
        theirs.labels(kind).observe(seconds)
    assert exposed(ours) == pytest.approx(samples(registry.collect()))


def test_what_can_be_known_from_the_start_begins_at_zero() -> None:
    plain, known = Counter("a_total", "A."), Counter("b_total", "B.", ("x", "y"), (("1", "2"), ("3",)))
    open_ended, waits = Counter("c_total", "C.", ("x",)), Histogram("d_seconds", "D.", limits=LIMITS)
    found = exposed(plain, known, open_ended, waits)
    assert {name: value for name, value in found.items() if value} == {}
    assert ("a_total", frozenset()) in found
    assert ("b_total", frozenset({("x", "2"), ("y", "3")})) in found
    assert not [name for name, _ in found if name.startswith("c_")]
    assert ("d_seconds_count", frozenset()) in found


def test_buckets_of_two_versions_add_up() -> None:
    """An older worker had no limit at 1, and one at 0.5."""
    ours = Histogram("wait_seconds", "Waits.", limits=LIMITS)
    older = {"0.1": 1.0, "0.5": 2.0, "+Inf": 4.0, "sum": 9.0}
    counts = {CountKey("wait_seconds", (), part): value for part, value in older.items()}
    found = samples(metric_families([ours], counts))
    buckets = {dict(labels)["le"]: value for (name, labels), value in found.items() if name.endswith("_bucket")}
    assert buckets == {"0.1": 1, "0.5": 3, "1.0": 3, "2.5": 3, "+Inf": 7}


def test_counts_of_other_metrics_and_with_other_labels_are_left_out() -> None:
    ours = Counter("a_total", "A.", ("x",))
    counts = {
        CountKey("a_total", ("1", "2"), ""): 1.0,
        CountKey("gone_total", (), ""): 1.0,
        CountKey("a_total", ("1",), ""): 3.0,
    }
    assert samples(metric_families([ours], counts)) == {("a_total", frozenset({("x", "1")})): 3}


def test_the_rules_find_what_breaks_the_conventions() -> None:
    page = """\
# HELP good_total Good.
# TYPE good_total counter
good_total 1
# HELP {name} {help}
# TYPE {name} {kind}
{name} 1
"""
    families(page.format(name="also_good_bytes", help="Good.", kind="gauge"))
    for name, text, kind in (
        ("bad_total", "Bad.", "gauge"), ("bad_milliseconds", "Bad.", "gauge"), ("bad_ms", "Bad.", "gauge"),
        ("badGauge", "Bad.", "gauge"), ("bad_gauge", "Bad.", "gauge"), ("bad_minutes", "Bad.", "gauge"),
        ("bad", "", "gauge"), ("bad_count", "Bad.", "gauge"),
    ):  # fmt: skip
        with pytest.raises(AssertionError):
            families(page.format(name=name, help=text, kind=kind))


def test_what_is_observed_at_once_counts_as_one_after_the_other() -> None:
    observed = [(0.05, ("a",)), (1.0, ("b",)), (9.0, ("a",)), (0.05, ("a",))]
    at_once, one_by_one = (Histogram("wait_seconds", "Waits.", ("kind",), limits=LIMITS) for _ in range(2))
    at_once.observe_each(observed)
    for seconds, labels in observed:
        one_by_one.observe(seconds, *labels)
    assert at_once.counts() == one_by_one.counts()
    assert at_once.counts()[CountKey("wait_seconds", ("a",), "0.1")] == 2
