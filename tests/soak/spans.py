"""Stretches of time: when something was amiss, and when all was quiet. Unix seconds."""

from collections.abc import Iterable, Sequence

Span = tuple[float, float]
"""From when until when."""


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the same time as stretches that do not touch, in their order."""
    found: list[Span] = []
    for began, ended in sorted(spans):
        if found and began <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ended))
        else:
            found.append((began, ended))
    return found


def quiet(troubles: Iterable[Span], began: float, ended: float) -> list[Span]:
    """Return the stretches between `began` and `ended` in which there was no trouble."""
    found: list[Span] = []
    reached = began
    for start, end in merged(troubles):
        if start > reached:
            found.append((reached, min(start, ended)))
        reached = max(reached, end)
        if reached >= ended:
            break
    if reached < ended:
        found.append((reached, ended))
    return [span for span in found if span[1] > span[0]]


def first_quiet(troubles: Iterable[Span], began: float, ended: float, seconds: float) -> float | None:
    """Return when it had been quiet for so many `seconds` at a stretch, first after `began`; None: never."""
    return next((start + seconds for start, end in quiet(troubles, began, ended) if end - start >= seconds), None)


def is_troubled(troubles: Sequence[Span], began: float, ended: float) -> bool:
    """Return whether something was amiss in this time, or at its ends."""
    return any(start <= ended and end >= began for start, end in troubles)


def troubled(troubles: Iterable[Span], began: float, ended: float) -> float:
    """Return for how many seconds of this time something was amiss."""
    return (ended - began) - sum(end - start for start, end in quiet(troubles, began, ended))
