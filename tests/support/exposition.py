"""What metrics pages say, read strictly; the table of docs/operations.md; and promtool, if it is installed."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
UNITS = {"seconds", "bytes"}
"""Units that are named at the end of a name; whatever else is counted is its subject, such as `turns`."""
NO_BASE_UNIT = re.compile(
    r"(milli|micro|nano)?(second|minute|hour|day|week)s?|(kilo|mega|giga|tera|peta)?(byte|bit)s?|percent|celsius"
)
ABBREVIATED = {"s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"}


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    name: str
    kind: str
    unit: str
    labels: frozenset[str]
    pages: frozenset[str]


def described() -> dict[str, Row]:
    """Name → row of the table of metrics."""
    rows = {}
    for line in OPERATIONS.read_text().splitlines():
        if line.startswith("| `voiceagent_"):
            name, kind, unit, labels, pages, text = (cell.strip() for cell in line.strip("|").split("|", 5))
            (name,) = _quoted(name)
            assert name not in rows, f"{name} has two rows"
            assert text, f"{name} is not explained"
            rows[name] = Row(name, kind, unit, _quoted(labels), _quoted(pages))
    return rows


def _quoted(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"`([^`]+)`", text))


def families(text: str) -> dict[str, Metric]:
    """Name of a metric → its family. Fail if the page is not Prometheus' text format, or breaks its conventions."""
    found = list(text_string_to_metric_families(text))
    kept = {f"{f.name}_total" if f.type == "counter" else f.name: f for f in found if not f.name.endswith("_created")}
    assert list(complaints(kept)) == []
    parsed = list(parse_open_metrics(generate_latest(_Collected(kept.values())).decode()))
    assert {family.name for family in parsed} == {family.name for family in kept.values()}
    return kept


class _Collected:
    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = list(found)

    def collect(self) -> list[Metric]:
        return self._found


def complaints(found: dict[str, Metric]) -> Iterator[str]:
    """Yield what breaks the rules that `promtool check metrics` checks."""
    for name, family in found.items():
        words = name.split("_")
        samples = {sample.name for sample in family.samples}
        if not family.documentation:
            yield f"{name} has no help text"
        if (family.type == "counter") != name.endswith("_total"):
            yield f"{name}: counters, and no others, end in _total"
        if name.endswith(("_bucket", "_count", "_sum")) or (
            family.type == "gauge" and any("le" in sample.labels for sample in family.samples)
        ):
            yield f"{name} looks like a histogram and is none"
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            yield f"{name} is not in snake case"
        if set(words) & {"counter", "gauge", "histogram", "summary"}:
            yield f"{name} names its type"
        if set(words) & ABBREVIATED:
            yield f"{name} abbreviates a unit"
        if bad := [word for word in words if NO_BASE_UNIT.fullmatch(word) and word not in UNITS]:
            yield f"{name} is not in base units: {bad}"
        if family.type == "histogram" and samples and not samples >= {f"{name}_sum", f"{name}_count"}:
            yield f"{name} lacks its sum or count"


def figure(text: str, name: str, **labels: str) -> float | None:
    """Return the sum of the samples `name` with these labels; None if there is none."""
    found = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found) if found else None


def find_promtool() -> str | None:
    """Return the path of promtool; None if it is not installed."""
    return os.environ.get("PROMTOOL") or shutil.which("promtool")


def promtool(*arguments: str, text: str | None = None) -> None:
    """Run promtool, with `text` as its input, and fail if it finds fault. Skip the test if there is none."""
    program = find_promtool()
    if program is None:
        pytest.skip("promtool is not installed")
    command = [program, *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
