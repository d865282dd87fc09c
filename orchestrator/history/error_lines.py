"""Counts the lines of level ERROR that this process logs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class CountsLines(Protocol):
    """What lines are counted for."""

    error_lines: int


class _Counter(logging.Handler):
    def __init__(self, counts: CountsLines) -> None:
        super().__init__(logging.ERROR)
        self._counts = counts

    def emit(self, record: logging.LogRecord) -> None:
        """Count the record. Logging holds the handler's lock meanwhile."""
        self._counts.error_lines += 1


@contextmanager
def error_lines_counted(counts: CountsLines) -> Iterator[None]:
    """Count the lines while the block runs."""
    counter, root = _Counter(counts), logging.getLogger()
    root.addHandler(counter)
    try:
        yield
    finally:
        root.removeHandler(counter)
