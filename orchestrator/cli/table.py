"""Tables for a terminal."""

from collections.abc import Sequence

from orchestrator.cli.colors import Colors


def table_lines(headings: Sequence[str], rows: Sequence[Sequence[str]], colors: Colors) -> list[str]:
    """Return the rows as lines under their headings, each column as wide as its longest cell."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *rows)
    ]
    return [colors(lines[0], "dim"), *lines[1:]]
