"""Reads the history for those who look at it: what is over is read once by each ingress."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

from orchestrator.history.amounts import MINUTE
from orchestrator.history.points import point, time_text
from orchestrator.history.store import CLOSED_SECONDS, HistoryStore

Step = Literal[60, 300, 900]
MOST_HOURS = 24
MOST_POINTS = 2000
"""A day in each step, and some: about a kilobyte each."""
MINUTES_AT_ONCE = 30
"""Read in one round trip: to decode them takes a millisecond or two, in which nobody else runs."""


class HistoryReader:
    """Makes the points of a `store`, and keeps those of steps that are over, until a late change."""

    def __init__(self, store: HistoryStore) -> None:
        self._store = store
        self._points: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._changes = 0
        self._reading = asyncio.Lock()

    async def page(self, now: float, hours: int, step: Step) -> bytes:
        """Return the points of the last `hours`, as JSON: an object with `step`, `from`, `to` and `points`.

        The last one is of the step that `now` (Unix seconds) is in. Raise `StoreUnavailable`.
        """
        to = int(now // step) * step + step
        begin = to - hours * 3600
        async with self._reading:
            points = await self._read(range(begin, to, step), step, now)
        head = json.dumps({"step": step, "from": time_text(begin), "to": time_text(to)})[:-1].encode()
        return head + b', "points": [' + b", ".join(points) + b"]}"

    async def _read(self, times: Sequence[int], step: Step, now: float) -> list[bytes]:
        missing = [at for at in times if (step, at) not in self._points]
        at_once = max(1, MINUTES_AT_ONCE * MINUTE // step)
        made: dict[int, bytes] = {}
        for begin in range(0, len(missing), at_once):
            group = missing[begin : begin + at_once]
            found = await self._store.read([minute for at in group for minute in _minutes(at, step)])
            if begin == 0 and found.changes != self._changes:
                self._changes = found.changes
                if self._points:
                    self._points.clear()
                    return await self._read(times, step, now)
            amounts = iter(found.amounts)
            for at in group:
                made[at] = json.dumps(point(at, [next(amounts) for _ in _minutes(at, step)])).encode()
                await asyncio.sleep(0)
        points = [made[at] if at in made else self._points[step, at] for at in times]
        self._keep(step, {at: text for at, text in made.items() if at + step + CLOSED_SECONDS <= now})
        return points

    def _keep(self, step: Step, closed: dict[int, bytes]) -> None:
        for at, text in closed.items():
            self._points[step, at] = text
        while len(self._points) > MOST_POINTS:
            self._points.popitem(last=False)


def _minutes(at: int, step: Step) -> range:
    return range(at, at + step, MINUTE)
