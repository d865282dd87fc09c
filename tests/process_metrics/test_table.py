"""The table of docs/operations.md has every metric, with its type, unit, labels and page."""

import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from support.exposition import Row, described, families, promtool

from orchestrator.metrics import Metrics
from orchestrator.process_metrics import catalog, gauges
from orchestrator.process_metrics.exposition import metric_families
from orchestrator.process_metrics.families import CountKey, Family

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
UNITS = {"seconds": ("_seconds",), "Unix seconds": ("_timestamp_seconds",), "bytes": ("_bytes",)}
"""Unit → how the names of what is measured in it end, `_total` aside."""
INGRESS, FLEET = "/metrics", "/metrics/fleet"


def an_ingress() -> Metrics:
    """Metrics that have counted something of everything."""
    metrics = Metrics()
    metrics.turn_begun(channel="relay", seconds=1)
    metrics.turn_answered(channel="relay", outcome="replied", seconds=1)
    metrics.request_answered(route="/", status=200)
    metrics.connection_refused(reason="invalid")
    metrics.runs("1")
    metrics.stages_taken({"submit": 0.1})
    metrics.web_processes(running=1, answered=1)
    metrics.known = dict.fromkeys(gauges.OF_INGRESSES, 1.0)
    return metrics


class Page:
    """The metrics of a page: each with a value for each of its labels."""

    def __init__(self, *sources: Iterable[Metric]) -> None:
        self._metrics = list(chain(*sources))

    def collect(self) -> list[Metric]:
        return self._metrics


def counted(of: Iterable[Family]) -> Iterable[Metric]:
    of = list(of)
    return metric_families(of, {CountKey(f.name, ("x",) * len(f.labels), part): 1.0 for f in of for part in f.parts})


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Page → what is exposed there, with a value for each metric."""
    own = [
        metric
        for metric in an_ingress().collect()
        if metric.name not in {f.name for f in counted(catalog.IN_AN_INGRESS)}
    ]
    fleet = gauges.gauge_families({gauge: {("x",) * len(gauge.labels): 1.0} for gauge in gauges.OF_THE_FLEET})
    return {
        INGRESS: generate_latest(Page(own, counted(catalog.IN_AN_INGRESS))).decode(),
        FLEET: generate_latest(Page(fleet, counted(catalog.IN_A_WORKER))).decode(),
    }


def labels_of(metric: Metric) -> set[str]:
    return {name for sample in metric.samples for name in sample.labels} - {"le"}


def test_it_has_every_metric_of_each_page_with_its_type_and_labels(pages: dict[str, str]) -> None:
    there: dict[str, tuple[str, set[str], set[str]]] = {}
    for page, found in pages.items():
        for name, metric in families(found).items():
            kind, labels, on = there.setdefault(name, (metric.type, labels_of(metric), set()))
            assert (kind, labels) == (metric.type, labels_of(metric))
            on.add(page)
    assert {row.name: (row.kind, set(row.labels), set(row.pages)) for row in described().values()} == there


@pytest.mark.processes
@pytest.mark.parametrize("page", [INGRESS, FLEET])
def test_promtool_finds_no_fault_with_a_page(pages: dict[str, str], page: str) -> None:
    promtool("check", "metrics", text=pages[page])


def test_every_metric_that_a_page_of_ours_names_is_in_the_table() -> None:
    names = set(re.findall(r"\bvoiceagent_[a-z_]+[a-z]\b", OPERATIONS.read_text()))
    known = set(described()) | {f"{name}_{end}" for name in described() for end in ("bucket", "count", "sum")}
    assert names - known == set()


@pytest.mark.parametrize("row", described().values(), ids=lambda row: row.name)
def test_a_name_ends_with_the_unit(row: Row) -> None:
    name = row.name.removesuffix("_total")
    if row.unit in UNITS:
        assert name.endswith(UNITS[row.unit])
    else:
        assert not name.endswith(tuple(chain(*UNITS.values())))
    assert row.unit or row.kind == "gauge", "what is counted?"
    assert (row.kind == "counter") == row.name.endswith("_total")


def test_no_label_can_hold_who_calls() -> None:
    assert not {label for row in described().values() for label in row.labels} & {
        "call", "call_sid", "turn_id", "number", "from", "to", "text", "peer", "url", "path", "worker", "pid",
    }  # fmt: skip
