"""Alarms, dashboard and autoscaling go by metrics that there are, in expressions that Prometheus understands."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from support.exposition import described, promtool

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES, RULE_TESTS = DEPLOY / "prometheus/voiceagent.rules.yml", DEPLOY / "prometheus/voiceagent.rules.test.yml"
OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
DASHBOARD = DEPLOY / "grafana/voiceagent.json"
KEDA = [DEPLOY / "keda/workers.yaml", DEPLOY / "keda/ingresses.yaml"]
OF_EVERY_SERIES = {"le", "job", "instance"}
METRIC = re.compile(r"\b(voiceagent_\w+)(\{[^}]*\})?(\[\S+?\])?")
UNITS = {"s", "ops", "reqps", "short", "percentunit", "bytes", "bool_yes_no"}
"""Units that Grafana knows; those that the dashboard uses."""


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def alarms() -> list[dict[str, Any]]:
    (group,) = read(RULES)["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """What uses an expression, and the expression."""
    for rule in alarms():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"].replace("$__rate_interval", "5m")
    for path in KEDA:
        for trigger in read(path)["spec"]["triggers"]:
            yield path.name, trigger["metadata"]["query"]


USES = list(expressions())


@pytest.mark.parametrize(("use", "expression"), USES, ids=[use for use, _ in USES])
def test_an_expression_uses_metrics_as_they_are_meant(use: str, expression: str) -> None:
    rows = described()
    found = list(METRIC.finditer(expression))
    assert found
    for metric in found:
        name, selector, window = metric[1], metric[2] or "", metric[3]
        row = rows.get(name) or rows.get(name.rpartition("_")[0])
        assert row is not None, f"{name} is not in the table of docs/operations.md"
        is_part = row.name != name
        assert is_part == (row.kind == "histogram"), "of a histogram, buckets, sum and count are series"
        if is_part:
            assert name.removeprefix(row.name) in ("_bucket", "_sum", "_count")
        if row.kind in ("counter", "histogram"):
            assert window, "what a counter says depends on when its process began"
            assert re.search(r"(rate|increase)\($", expression[: metric.start()]), "rate first, then the sum"
        assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= row.labels | OF_EVERY_SERIES
    labels = {label for metric in found for label in (rows.get(metric[1]) or rows[metric[1].rpartition("_")[0]]).labels}
    for by in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.findall(r"\w+", by)) <= labels | OF_EVERY_SERIES
    assert all(expression.count(a) == expression.count(b) for a, b in ("()", "{}", "[]"))


@pytest.mark.processes
def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"use:{number}", "expr": expression} for number, (_, expression) in enumerate(USES)]
    (tmp_path / "all.yml").write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    promtool("check", "rules", str(tmp_path / "all.yml"))


@pytest.mark.processes
@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", str(RULES)),
        ("test", "rules", str(RULE_TESTS)),
        ("check", "config", "--syntax-only", str(DEPLOY / "prometheus/prometheus.yml")),
    ],
    ids=["rules", "tests", "config"],
)
def test_promtool_finds_no_fault(command: tuple[str, ...]) -> None:
    promtool(*command)


def test_each_alarm_says_what_it_means_and_what_to_do_and_leads_to_a_section(anchors: set[str]) -> None:
    for rule in alarms():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"VoiceAgent[A-Z]\w+", rule["alert"])
        assert re.fullmatch(r"\d+m", rule["for"])
        assert rule["labels"] == {"severity": rule["labels"]["severity"]}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "action", "runbook"}
        assert all(text.endswith(".") for name, text in rule["annotations"].items() if name != "runbook")
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in anchors
        assert f"`{rule['alert']}`, {rule['labels']['severity']}." in OPERATIONS.read_text()


@pytest.fixture(scope="module")
def anchors() -> set[str]:
    """The names of the sections of docs/operations.md."""
    titles = re.findall(r"^#+ (.+)$", OPERATIONS.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_each_alarm_has_a_test_that_it_fires_alone_and_there_is_one_that_none_does() -> None:
    tests = read(RULE_TESTS)["tests"]
    fired = [[sample["labels"] for sample in test["promql_expr_test"][0]["exp_samples"]] for test in tests]
    assert fired[0] == []
    names = [re.findall(r'alertname="(\w+)"', labels) for (labels,) in fired[1:]]
    assert sorted(itertools.chain(*names)) == sorted(rule["alert"] for rule in alarms())


def test_the_dashboard_is_one_that_grafana_can_import() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["schemaVersion"] >= 30
    assert dashboard["uid"]
    assert dashboard["title"]
    assert [variable["type"] for variable in dashboard["templating"]["list"]] == ["datasource"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, f"{panel['title']} lies over another panel"
        taken |= cells


def test_each_panel_has_a_title_a_unit_and_a_legend() -> None:
    titles = [panel["title"] for panel in panels()]
    assert len(set(titles)) == len(titles)
    for panel in panels():
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["legendFormat"] for target in panel["targets"])
        for label in re.findall(r"\{\{(\w+)\}\}", " ".join(target["legendFormat"] for target in panel["targets"])):
            used = " ".join(target["expr"] for target in panel["targets"])
            rows = [row for row in described().values() if row.name in used]
            assert label in OF_EVERY_SERIES | {label for row in rows for label in row.labels}


@pytest.mark.parametrize("path", KEDA, ids=lambda path: path.stem)
def test_keda_scales_by_the_number_and_never_to_nothing(path: Path) -> None:
    found = read(path)
    assert (found["apiVersion"], found["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    assert set(found["metadata"]) == {"name"}
    spec = found["spec"]
    assert set(spec) == {
        "scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "advanced", "triggers",
    }  # fmt: skip
    assert 1 <= spec["minReplicaCount"] < spec["maxReplicaCount"]
    (trigger,) = spec["triggers"]
    assert (trigger["type"], trigger["metricType"]) == ("prometheus", "Value")
    about = trigger["metadata"]
    assert set(about) == {"serverAddress", "query", "threshold", "ignoreNullValues"}
    assert all(isinstance(value, str) for value in about.values()), "KEDA takes strings only"
    assert 0 < float(about["threshold"]) < 1
    assert about["ignoreNullValues"] == "false", "an absent number must not count as 0"


def test_the_fleet_is_scraped_once_and_every_ingress_for_itself() -> None:
    own, fleet = read(DEPLOY / "prometheus/prometheus.yml")["scrape_configs"]
    assert (own["metrics_path"], fleet["metrics_path"]) == ("/metrics", "/metrics/fleet")
    assert "dns_sd_configs" in own
    assert [len(found["targets"]) for found in fleet["static_configs"]] == [1]
