"""Puts results into a page: everything between two marks is replaced by tables."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench import Results
from benchmarks.budgets import Verdict, verdicts
from benchmarks.tables import HEADINGS, shown
from benchmarks.tried import STEPS

NOTES = {
    "processor time of a turn": "With 30 in flight; `before` is the older tree. The load generator is not in the sum, "
    "except where it is the ingress.",
    "where a webhook's time goes": "Of a turn of `POST /twilio/turn/{n}` with 30 in flight. A part's time is that of "
    "its own steps: not of the parts that it calls, and not of its waits. What the clocks themselves take is taken "
    "off: it is the difference to processes without clocks beside them.",
    "calls at once": "Turns come at random times. The share of the processors includes the load generator's.",
}
"""What one must know to read a table."""
STEPS_NOTE = "Every step was measured when it was made, beside the revision before it; they cannot be added up."

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def update(page: Path, results: Results, machine: dict[str, Any]) -> None:
    """Write the results into the page. Raises ValueError when it has no place for them."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no lines {BEGIN} and {END} to put the results between.")
    page.write_text(f"{before}{BEGIN}\n\n{chr(10).join(blocks(results, machine))}\n\n{END}{after}")


def blocks(results: Results, machine: dict[str, Any]) -> Iterator[str]:
    """The lines of the page."""
    yield f"Measured {machine['when']} on {machine['processors']} processors ({machine['processor'] or 'unknown'}),"
    yield f"{machine['system']}, Python {machine['python']}."
    if machine.get("baseline"):
        yield f"The tree before is revision `{machine['baseline']}`."
    if "note" in machine:
        yield str(machine["note"]).capitalize() + "."
    yield from ("", "### Budgets", "")
    judged = verdicts(results)
    yield from _markdown(["", "measured", "budget", ""], map(_budget_row, judged))
    yield from ("", "### What was tried", "", *_tried(judged))
    for title, rows in results.tables.items():
        names = [name for name in HEADINGS if any(row.get(name) not in (None, "") for row in rows)]
        cells = [[shown(row.get(name, "")) for name in names] for row in rows]
        yield from ("", f"### {title.capitalize()}", "")
        if note := NOTES.get(title):
            yield from (note, "")
        yield from _markdown([HEADINGS[name] for name in names], cells)
    for trouble in results.troubles:
        yield from ("", f"Not measured: {trouble.splitlines()[0]}")


def _budget_row(verdict: Verdict) -> list[str]:
    words = f"**{verdict.words}**" if verdict.met is False else verdict.words
    return [verdict.budget.what, verdict.measured, verdict.budget.limit_words, words]


def _tried(judged: Sequence[Verdict]) -> Iterator[str]:
    """What was done for each budget that is missed, and every step with what it brought."""
    if missed := [[one.budget.what, one.words, one.tried] for one in judged if one.tried]:
        yield from (*_words_table(["budget", "", "what was tried for it"], missed), "")
    yield from (STEPS_NOTE, "")
    yield from _words_table(["step", "brought", "kept"], [[step.what, step.brought, step.kept] for step in STEPS])


def _words_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    heading, _, *rest = _markdown(headings, rows)
    yield from (heading, "|---" * len(headings) + "|", *rest)


def _markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(headings) + " |"
    yield "|---|" + "---:|" * (len(headings) - 1)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
