"""Limits log lines that strangers can cause: one of a kind in a while, with the number of those left out."""

import math
import time
from collections.abc import Hashable

EVERY_SECONDS = 60.0
MOST_KINDS = 100


class RateLimit:
    """`due` decides whether a line of a kind is written now."""

    def __init__(self, every_seconds: float = EVERY_SECONDS) -> None:
        self._every = every_seconds
        self._kinds: dict[Hashable, tuple[float, int]] = {}

    def is_due(self, kind: Hashable) -> bool:
        """True if a line of this kind would be written now."""
        written_at, _ = self._kinds.get(kind, (-math.inf, 0))
        return time.monotonic() - written_at >= self._every

    def due(self, kind: Hashable) -> int | None:
        """Return how many lines of this kind were left out since the last one; None if this one is left out, too."""
        now = time.monotonic()
        written_at, left_out = self._kinds.get(kind, (-math.inf, 0))
        if now - written_at < self._every:
            self._kinds[kind] = (written_at, left_out + 1)
            return None
        if len(self._kinds) >= MOST_KINDS:
            self._kinds.clear()
        self._kinds[kind] = (now, 0)
        return left_out
