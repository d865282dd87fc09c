"""The benchmarks' own arithmetic: what is counted, compared and told."""

import json
import math
import operator
import time
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import terminal
from benchmarks.bench import Bench, Results
from benchmarks.budgets import BUDGETS, NOTHING, Budget, verdicts
from benchmarks.comparison import difference_ms
from benchmarks.driver import carry_out
from benchmarks.measurements.steady import is_starved
from benchmarks.page import BEGIN, END, update
from benchmarks.parts import WEB, WORKER
from benchmarks.programme import PROGRAMME, summary
from benchmarks.samples import Run, Series, in_turns, middle, percentile, ratio
from benchmarks.trees import REPOSITORY
from benchmarks.tried import STEPS


async def test_so_many_callers_call_at_once_and_so_often_in_all() -> None:
    slots: list[int] = []

    async def line(slot: int) -> None:
        slots.append(slot)

    result = await carry_out(line, {"count": 7, "concurrency": 3})
    assert (len(slots), len(result["latencies"]), result["errors"]) == (7, 7, [])
    assert set(slots) <= {0, 1, 2}


async def test_a_line_may_take_its_own_time_and_may_fail() -> None:
    async def line(slot: int) -> float:
        if slot == 1:
            raise OSError
        return 0.25

    failed = await carry_out(line, {"count": 3, "concurrency": 2, "rate": 1000.0})
    assert (failed["latencies"], failed["errors"]) == ([0.25, 0.25], ["OSError"])


async def test_the_time_that_a_call_waited_for_the_load_generator_is_its_own() -> None:
    async def line(slot: int) -> None:
        time.sleep(0.02)  # so the event loop comes late to the calls that are due meanwhile

    result = await carry_out(line, {"count": 4, "concurrency": 4, "rate": 1e6})
    assert max(result["latencies"]) > 3.9 * 0.02, "the last one waited for the three before it"


async def test_what_can_be_made_ahead_is_made_outside_of_the_measured_time() -> None:
    class Prepared:
        def __init__(self) -> None:
            self.ready = 0

        async def prepare(self, count: int, callers: int, *, in_order: bool) -> None:
            self.ready = count

        async def __call__(self, slot: int) -> None:
            self.ready -= 1

    line = Prepared()
    prepared = await carry_out(line, {"count": 3, "concurrency": 2, "prepare": True})
    assert (line.ready, prepared["latencies"]) == (3, [])
    await carry_out(line, {"count": 3, "concurrency": 2})
    assert line.ready == 0


async def test_contenders_take_turns_in_changing_order() -> None:
    order: list[str] = []

    def leg(name: str):
        async def run() -> Run:
            order.append(name)
            return Run(1, [0.1])

        return run

    series = await in_turns(2, {"one": leg("one"), "other": leg("other")})
    assert order == ["one", "other", "other", "one"]
    assert [len(found.runs) for found in series.values()] == [2, 2]


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    one = Series([Run(1, [2.0]), Run(1, [8.0]), Run(1, [6.0])])
    assert ratio(one, Series([Run(1, [1.0]), Run(1, [1.0]), Run(1, [2.0])])) == 3
    assert math.isnan(ratio(one, Series([Run(1, [])] * 3)))
    assert math.isnan(percentile([], 0.5))


def test_nothing_is_measured_where_anything_failed() -> None:
    sound = Series([Run(1, [2.0]), Run(1, [8.0])])
    failed = Series([Run(1, [1.0, 1.0]), Run(1, [1.0], ["KeyError", "TimeoutError"])])
    read = [ratio(sound, failed), ratio(failed, sound), failed.per_second, failed.ms(0.5), failed.runs[1].p50]
    read += [
        failed.runs[1].p10,
        failed.runs[1].percentile(0.99),
        difference_ms(failed, sound),
        middle([1, 2, math.nan]),
    ]
    assert all(map(math.isnan, read)), read
    assert (sound.failures, failed.failures) == ("", "2 of 5 failed (KeyError)")


def test_what_failed_is_told_as_not_measured_by_its_row_its_budget_and_in_words() -> None:
    results = Results()
    bench = Bench(*[None] * 3, results, quick=True)  # type: ignore[arg-type]
    failed = Series([Run(1, [0.001] * 99, ["ConnectionClosedOK"])])
    bench.timed_row("relay", "interrupt frame", failed, at_once=1)
    budget = next(budget for budget in BUDGETS if budget.figure == "relay.interrupt_p95_ms")
    bench.figure(budget.figure, failed.ms(0.95))
    told = {"what": "interrupt frame", "at_once": 1, "errors": "1 of 100 failed (ConnectionClosedOK)"}
    assert results.tables["relay"] == [told]
    assert budget.judge(results).words == "not measured"
    assert results.troubles == ["relay, interrupt frame: 1 of 100 failed (ConnectionClosedOK)"]
    assert "Not measured: relay, interrupt frame: 1 of 100 failed (ConnectionClosedOK)" in list(terminal.lines(results))


def test_a_missed_budget_is_told_with_what_was_tried() -> None:
    missed, met = BUDGETS[0], BUDGETS[1]
    results = Results(figures={missed.figure: 2 * missed.limit, met.figure: met.limit / 2})
    text = " ".join(" ".join(terminal.lines(results)).split())
    assert f"{missed.what}: MISSES by 100 % {missed.tried}" in text
    assert met.tried not in text
    told = {verdict.budget.what: verdict.told for verdict in verdicts(results)}
    assert (told[missed.what]["verdict"], told[missed.what]["tried"]) == ("MISSES by 100 %", missed.tried)
    assert (told[met.what]["verdict"], told[met.what]["tried"]) == ("met", "")


def test_every_budget_that_was_missed_when_it_was_published_says_what_was_tried() -> None:
    document = json.loads((REPOSITORY / "benchmarks" / "results" / "published.json").read_text())
    judged = verdicts(Results(figures=document["figures"]))
    assert [verdict.budget.what for verdict in judged if verdict.tried == NOTHING] == []


@pytest.mark.parametrize(
    ("at_least", "value", "words"),
    [
        (False, 3.0, "met"),
        (False, 4.5, "MISSES by 50.0 %"),
        (True, 3.0, "met"),
        (True, 2.0, "MISSES by 50.0 %"),
        (False, 2.0, "met, stretch too"),
        (True, 4.0, "met, stretch too"),
        (False, None, "not measured"),
    ],
)
def test_a_budget_says_by_how_much_it_is_missed(at_least: bool, value: float | None, words: str) -> None:
    budget = Budget("a thing", "thing", 3, at_least=at_least, stretch=4 if at_least else 2)
    assert budget.judge(Results(figures={} if value is None else {"thing": value})).words == words


def test_a_budget_may_tell_a_second_figure_beside_its_own() -> None:
    budget = Budget("p99", "p99", 50, "ms", detail="calls", detail_words="{:,.0f} calls")
    assert budget.judge(Results(figures={"p99": 20.0, "calls": 5000.0})).measured == "20.0 ms (5,000 calls)"
    assert budget.judge(Results(figures={"p99": 20.0})).measured == "20.0 ms"


def test_only_budgets_that_were_measured_are_told_if_not_everything_was() -> None:
    results = Results(figures={BUDGETS[0].figure: 0.1})
    assert sum("not measured" in line for line in terminal.lines(results)) == len(BUDGETS) - 1
    assert not any("not measured" in line for line in terminal.lines(results, of_all=False))


@pytest.mark.parametrize(("answered", "busy", "starved"), [(100, 0.7, False), (50, 0.7, False), (50, 0.4, True)])
def test_turns_that_fell_behind_beside_other_programs_judge_nobody(answered: int, busy: float, starved: bool) -> None:
    assert is_starved(Run(1, [0.1] * answered), rate=100, busy=busy) is starved


def test_every_measurement_says_what_it_measures() -> None:
    assert [name for name in PROGRAMME if not summary(name)] == []


@pytest.mark.parametrize("function", sorted({name for of in (WEB, WORKER) for names in of.values() for name in names}))
def test_every_function_that_is_clocked_exists(function: str) -> None:
    module, _, path = function.partition(":")
    assert callable(operator.attrgetter(path)(import_module(module))), "renamed? benchmarks/parts.py names it"


def test_results_are_put_between_the_marks_of_a_page_again_and_again(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{BEGIN}\nwhat was here\n{END}\nAfter.\n")
    machine = {"when": "today", "processors": 2, "processor": "", "system": "Linux", "python": "3.11"}
    budget = BUDGETS[0]
    tables: dict[str, list[dict[str, str | float]]] = {"latency": [{"what": "a turn", "p50_ms": 1.5}]}
    results = Results(figures={budget.figure: 2 * budget.limit}, tables=tables)
    for _ in range(2):
        update(page, results, machine)
    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")
    assert "what was here" not in text
    assert text.count("| a turn | 1.50 |") == 1
    assert f"| {budget.what} | {2 * budget.limit:.3g} × | {budget.limit_words} | **MISSES by 100 %** |" in text
    assert text.count(f"| {budget.what} | MISSES by 100 % | {budget.tried} |") == 1
    assert all(text.count(f"| {step.what} | {step.brought} | {step.kept} |") == 1 for step in STEPS)
