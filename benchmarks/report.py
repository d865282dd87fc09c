"""Results as tables on a terminal."""

from collections.abc import Iterable, Sequence, Set

from benchmarks.bench import Results
from benchmarks.budgets import BUDGETS, Verdict

HEADINGS = {
    "what": "", "tree": "tree", "at_once": "at once", "p50_ms": "p50 ms", "p95_ms": "p95 ms", "p99_ms": "p99 ms",
    "over_hops": "p50 over hops", "p10_over_hops": "p10 over hops", "per_second": "per s", "web_us": "web µs",
    "worker_us": "worker µs", "redis_us": "Redis µs", "load_us": "load generator µs", "sum_us": "sum µs",
    "over_before": "over before", "half_between": "half between", "cpu_percent": "CPU %", "kb": "kB each",
    "errors": "errors",
}  # fmt: skip


def lines(results: Results, *, of_all: bool = True) -> Iterable[str]:
    """Everything, tables first and budgets last; without `of_all` only the budgets that were measured."""
    for title, rows in results.tables.items():
        yield from ("", title.upper(), *table(rows))
    verdicts = [
        verdict for verdict in (budget.judge(results) for budget in BUDGETS) if of_all or verdict.met is not None
    ]
    if verdicts:
        yield from ("", "BUDGETS", *budget_table(verdicts))
    for trouble in results.troubles:
        yield from ("", f"Not measured: {trouble}")


def table(rows: Sequence[dict[str, str | float]]) -> list[str]:
    """Rows under the headings that any of them fills."""
    names = [name for name in HEADINGS if any(row.get(name) not in (None, "") for row in rows)]
    cells = [[HEADINGS[name] for name in names], *([shown(row.get(name, "")) for name in names] for row in rows)]
    return aligned(cells, left={0, *(place for place, name in enumerate(names) if name == "errors")})


def budget_table(verdicts: Sequence[Verdict]) -> list[str]:
    """One line a budget: what, measured, limit, verdict."""
    cells = [["", "measured", "limit", ""]]
    for verdict in verdicts:
        budget = verdict.budget
        limit = f"{'≥' if budget.at_least else '≤'} {budget.limit:g} {budget.unit}"
        value = "-" if verdict.value is None else f"{shown(verdict.value)} {budget.unit}"
        cells.append([budget.what, value, limit, verdict.words])
    return aligned(cells, left={0, 3})


def aligned(cells: Sequence[Sequence[str]], left: Set[int]) -> list[str]:
    """Columns: words to the left, figures to the right."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def shown(value: str | float) -> str:
    """A number with three figures that mean something."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
