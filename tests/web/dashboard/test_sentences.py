"""What the server says has a code, and the page has a text for each code, in each language."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

import web.dashboard
from orchestrator.events.outbox_report import OutboxReport, SinkReport
from orchestrator.health.events import EventsStatus, all_well
from orchestrator.health.report import SystemStatus, in_memory_report, report, unmeasured_report
from orchestrator.incidents.finding import current_findings
from orchestrator.incidents.incident import Incident, IncidentKind, ProcessName, Report
from orchestrator.incidents.message import SUSPECTED, sentence_of
from orchestrator.sentence import Code
from orchestrator.worker_versions.overview import PinnedCalls, described, overview_of
from orchestrator.worker_versions.plan import AutomaticRollback, RolloutPlan, Tally
from web.problem_types import PROBLEM_TYPES

TEXTS = Path(web.dashboard.__file__).parent / "page" / "texts"
LANGUAGES = {path.stem: json.loads(path.read_text()) for path in TEXTS.glob("*.json")}
NOW = 1_000_000.0
WORKER = {"id": "w1", "role": "worker", "host": "h1", "pid": 7, "state": "running", "running": 1, "agent": "echo"}
OTHER = {**WORKER, "id": "w2"}
SINKS = {
    "a": SinkReport(stopped=True),
    "b": SinkReport(overdue_seconds=100),
    "c": SinkReport(pending=1, oldest_seconds=1000),
}
PROCESS = ProcessName("w1", "worker", "h1", 7)
ABOUT_PROCESS = {"who"}
ABOUT_PROBLEM = {"detail", "seconds"}


def system(**status: Any) -> SystemStatus:
    return SystemStatus(**{"redis_ok": True, "redis_message": "", "workers": 2, **status})


def checks() -> Iterator[dict[str, Any]]:
    """What is said in each state of a system."""
    full = OutboxReport(at=NOW, bytes=99, max_bytes=100, sinks=SINKS)
    ramping = RolloutPlan(revision=2, current="v1", ramping="v2", percent=5)
    undone = RolloutPlan(revision=3, current="v1", rollback=AutomaticRollback("v2", Tally(9, 5), Tally(9, 0)))
    for each in (
        in_memory_report(), unmeasured_report("Redis sleeps"), report(system(redis_ok=False)),
        report(system(degraded=True)), report(system(workers=0)), report(system(unable_workers=1)),
        report(system(oldest_wait_seconds=9, missing_keys=("k1",), rollout=ramping)),
        report(system(shed_seconds=4.0, rollout=undone, events=EventsStatus(None, is_missed=True))),
        report(system(events=EventsStatus(None))), report(system(events=EventsStatus(full))),
    ):  # fmt: skip
        for check in each.checks.values():
            yield from check["says"]
    for outbox in (
        OutboxReport(at=NOW), OutboxReport(at=NOW, dead=1),
        OutboxReport(at=NOW, sinks={"c": SinkReport(pending=2)}),
    ):  # fmt: skip
        yield all_well(outbox).described()
    for plan in (RolloutPlan(), ramping, undone):
        yield from described(overview_of(plan, [], PinnedCalls({})))["says"]


def incidents() -> Iterator[dict[str, Any]]:
    """What is said of each kind of incident: while it lasts, after it, and of several."""
    for kind in get_args(IncidentKind):
        for until, detail in ((NOW, ""), (None, SUSPECTED if kind.endswith("lost") else "")):
            if until is None and kind.endswith("frozen"):
                continue
            sentence = sentence_of(Report("s", kind, NOW - 5, until, PROCESS, detail))
            yield sentence.described()
            told = Incident("i", kind, NOW - 5, until, "said", PROCESS, code=sentence.code, params=sentence.params)
            for alike in ([told], [told, told]):
                yield from findings(alike, [WORKER, OTHER])


def findings(alike: list[Incident], processes: list[dict[str, Any]], **status: Any) -> Iterator[dict[str, Any]]:
    for each in current_findings(report(system(**status)).checks, processes, alike, NOW):
        yield each.described()


def all_said() -> list[dict[str, Any]]:
    mixed = [{**WORKER, "stuck_threads": 1}, {**OTHER, "agent": "llm", "state": "silent"}]
    return [*checks(), *incidents(), *findings([], mixed, dead_letters=1), *findings([], [WORKER])]


def forms(text: str | dict[str, str]) -> list[str]:
    """A text in each form that it has for plurals."""
    return list(text.values()) if isinstance(text, dict) else [text]


def places(text: str | dict[str, str]) -> set[str]:
    return {place for form in forms(text) for place in re.findall(r"\{(\w+)\}", form)}


def test_each_code_of_the_server_is_said_by_an_example_here():
    assert {it["code"] for it in all_said()} == {*get_args(Code)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_sentence_of_the_server_has_a_text_with_no_more_values_than_it_has(language):
    texts = LANGUAGES[language]["said"]
    assert set(texts) == {*get_args(Code)}
    for said in all_said():
        text = texts[said["code"]]
        assert places(text["message"]) | places(text.get("advice", "")) <= {*said["params"]} | ABOUT_PROCESS, said
        assert not said["advice"] or text.get("advice"), said


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_problem_has_a_text(language):
    texts = LANGUAGES[language]["problem"]
    assert {*texts} == {*PROBLEM_TYPES, "blank"}
    assert [name for name, text in texts.items() if not places(text) <= ABOUT_PROBLEM] == []
