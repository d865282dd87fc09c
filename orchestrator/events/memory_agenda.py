"""When each call of one process is to be looked at next."""

import heapq


class MemoryAgenda:
    """Times in Unix seconds, by call SID."""

    def __init__(self) -> None:
        self._looks: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []  # also holds times that `_looks` has replaced

    @property
    def first(self) -> float | None:
        """The first of all times; None if there is none."""
        while self._heap and self._looks.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def look_at(self, call_sid: str, at: float | None) -> None:
        """Look at the call then, and at no other time; never with None."""
        if at is None:
            self._looks.pop(call_sid, None)
        elif self._looks.get(call_sid) != at:
            self._looks[call_sid] = at
            heapq.heappush(self._heap, (at, call_sid))

    def take_due(self, now: float, most: int, again_at: float) -> list[str]:
        """Return calls whose time has come, the earliest first. Look at them again at `again_at`."""
        found: list[str] = []
        while len(found) < most and (first := self.first) is not None and first <= now:
            found.append(self._heap[0][1])
            self.look_at(found[-1], again_at)
        return found
