"""Results on a terminal."""

from collections.abc import Iterable, Sequence
from textwrap import wrap

from benchmarks.bench import Results
from benchmarks.budgets import Verdict, verdicts
from benchmarks.tables import aligned, table

WIDTH = 120


def lines(results: Results, *, of_all: bool = True) -> Iterable[str]:
    """Everything, tables first and budgets last; without `of_all` only the budgets that were measured."""
    for title, rows in results.tables.items():
        yield from ("", title.upper(), *table(rows))
    if shown := [verdict for verdict in verdicts(results) if of_all or verdict.value is not None]:
        yield from ("", "BUDGETS", *budget_table(shown))
        if missed := [verdict for verdict in shown if verdict.tried]:
            yield from ("", "WHAT WAS TRIED FOR THOSE THAT ARE MISSED")
            for verdict in missed:
                yield f"{verdict.budget.what}: {verdict.words}"
                yield from wrap(verdict.tried, WIDTH, initial_indent="    ", subsequent_indent="    ")
    for trouble in results.troubles:
        yield from ("", f"Not measured: {trouble}")


def budget_table(verdicts: Sequence[Verdict]) -> list[str]:
    """One line a budget: what, measured, limit, verdict."""
    cells = [["", "measured", "limit", ""]]
    cells += [[one.budget.what, one.measured or "-", one.budget.limit_words, one.words] for one in verdicts]
    return aligned(cells, left={0, 3})
