"""Figures and tables as text."""

from collections.abc import Sequence, Set

HEADINGS = {
    "what": "", "process": "process", "us": "µs", "percent": "%", "tree": "tree", "at_once": "at once",
    "p50_ms": "p50 ms", "p95_ms": "p95 ms", "p99_ms": "p99 ms", "cpu_ms": "processor ms",
    "over_hops": "p50 over hops", "p10_over_hops": "p10 over hops", "per_second": "per s", "web_us": "web µs",
    "worker_us": "worker µs", "redis_us": "Redis µs", "load_us": "load generator µs", "sum_us": "sum µs",
    "over_before": "over before", "half_between": "half between", "cpu_percent": "CPU %", "kb": "kB each",
    "errors": "errors",
}  # fmt: skip


def table(rows: Sequence[dict[str, str | float]]) -> list[str]:
    """Rows under the headings that any of them fills."""
    names = [name for name in HEADINGS if any(row.get(name) not in (None, "") for row in rows)]
    cells = [[HEADINGS[name] for name in names], *([shown(row.get(name, "")) for name in names] for row in rows)]
    return aligned(cells, left={0, *(place for place, name in enumerate(names) if name == "errors")})


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
