"""A gate before workers with twice the callers that they carry, in time that is reckoned and not waited for."""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from itertools import count

import pytest

from web.call_gate import CallGate

SLOTS, TURN_SECONDS = 8, 0.25
AFTER = 0.1
READ_EVERY_SECONDS = 0.05
CARRIED = 32
"""Callers with a turn each 1.25 s: they keep the slots busy for four fifths of their time."""


class Load:
    """Callers who begin calls, take turns of them, and try again after a pause when they are refused."""

    def __init__(self, callers: int, turns: int, gate: CallGate | None) -> None:
        self._turns = turns
        self._gate = gate
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._chance = random.Random(1)
        self._waiting: deque[tuple[float, int]] = deque()
        self._busy = 0
        self._now = 0.0
        self.waits: list[float] = []
        """For how long each turn waited, in seconds."""
        for _ in range(callers):
            self._after(self._chance.uniform(0, 20), self._begin)
        self._after(0, self._read)

    def run(self, seconds: float) -> "Load":
        while self._events[0][0] < seconds:
            self._now, _, event = heapq.heappop(self._events)
            event()
        return self

    @property
    def p99(self) -> float:
        return sorted(self.waits)[math.floor(0.99 * len(self.waits))] + TURN_SECONDS

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._order), event))

    def _pause(self, event: Callable[[], None]) -> None:
        self._after(self._chance.uniform(0.5, 1.5), event)

    def _begin(self) -> None:
        is_taken = self._gate is None or self._gate.lets_in()
        self._pause((lambda: self._speak(self._turns)) if is_taken else self._begin)

    def _speak(self, left: int) -> None:
        self._waiting.append((self._now, left))
        self._work()

    def _work(self) -> None:
        while self._waiting and self._busy < SLOTS:
            since, left = self._waiting.popleft()
            self.waits.append(self._now - since)
            self._busy += 1
            self._after(TURN_SECONDS, lambda left=left: self._done(left - 1))  # type: ignore[misc]

    def _done(self, left: int) -> None:
        self._busy -= 1
        self._pause((lambda: self._speak(left)) if left else self._begin)
        self._work()

    def _read(self) -> None:
        if self._gate is not None:
            self._gate.note(self._now - self._waiting[0][0] if self._waiting else 0.0, self._now)
        self._after(READ_EVERY_SECONDS, self._read)


@pytest.mark.parametrize("turns", [6, 30, 100])
def test_turns_of_running_calls_hardly_wait_and_the_workers_have_enough_to_do(turns: int) -> None:
    seconds = 40 + 12 * turns
    carried = Load(CARRIED, turns, None).run(seconds)
    twice = Load(2 * CARRIED, turns, CallGate(AFTER)).run(seconds)
    assert twice.p99 <= 2 * carried.p99
    assert len(twice.waits) >= 0.7 * len(carried.waits)


def test_it_is_the_gate_that_keeps_the_waits_short() -> None:
    assert Load(2 * CARRIED, 6, None).run(100).p99 > 2 * Load(CARRIED, 6, None).run(100).p99
