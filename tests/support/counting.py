"""What a block of code adds to the metrics of this process."""

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.process_metrics.families import SUM, Family

Added = dict[tuple[str, ...], float]


def totals(family: Family) -> Added:
    """Labels → how much was counted: of a histogram how many observations."""
    found: Added = {}
    for key, value in family.counts().items():
        if key.part != SUM:
            found[key.labels] = found.get(key.labels, 0) + value
    return found


@contextmanager
def counting(family: Family) -> Iterator[Added]:
    """What the block adds to `family`, by labels, when it has ended."""
    before, added = totals(family), Added()
    yield added
    added.update({key: value - before.get(key, 0) for key, value in totals(family).items() if value != before.get(key)})
