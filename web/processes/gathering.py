"""Collects the metrics of all web processes for the one that was asked for them. Standard library only."""

import time
from collections.abc import Callable, Iterable

from web.processes.channel import Message
from web.processes.samples import Samples, add
from web.processes.web_process import WebProcess

GATHER_SECONDS = 1.0
"""A process that does not answer within this time is left out. What it sent last still counts."""


class _Gathering:
    def __init__(self, number: int, asked_by: WebProcess, question: object, waiting: Iterable[WebProcess]) -> None:
        self.number = number
        self.asked_by = asked_by
        self.question = question
        self.waiting = set(waiting)
        self.answered = 1
        self.deadline = time.monotonic() + GATHER_SECONDS


class Gatherings:
    """Asks each process for its samples, and sends their sum to the one that asked.

    The counts of processes that have ended are kept, and so are the last ones of a process that does not answer: a sum
    that shrinks would look as if counters had begun anew. `processes` returns all that run.
    """

    def __init__(self, processes: Callable[[], Iterable[WebProcess]]) -> None:
        self._processes = processes
        self._ended: Samples = {}
        self._open: dict[int, _Gathering] = {}
        self._last = 0

    def deadlines(self) -> Iterable[float]:
        """Return until when each open question waits."""
        return [gathering.deadline for gathering in self._open.values()]

    def ask(self, asked_by: WebProcess, message: Message) -> None:
        """Ask the other processes; `message` has the samples of the one that asks."""
        asked_by.samples, asked_by.gauges = message["samples"], message.get("gauges", {})
        others = [process for process in self._processes() if process is not asked_by and process.is_ready]
        self._last += 1
        self._open[self._last] = _Gathering(self._last, asked_by, message["question"], others)
        for process in others:
            process.channel.send({"type": "gather", "gathering": self._last})
        self.answer_due_ones()

    def add(self, process: WebProcess, message: Message) -> None:
        """Take the samples of a process: the answer to a question, or its last ones."""
        process.samples, process.gauges = message["samples"], message.get("gauges", {})
        gathering = self._open.get(message.get("gathering", 0))
        if gathering is not None and process in gathering.waiting:
            gathering.waiting.remove(process)
            gathering.answered += 1
        self.answer_due_ones()

    def process_ended(self, process: WebProcess) -> None:
        """Keep what an ended process has counted."""
        add(self._ended, process.samples)
        self._open = {number: one for number, one in self._open.items() if one.asked_by is not process}
        for gathering in self._open.values():
            gathering.waiting.discard(process)
        self.answer_due_ones()

    def answer_due_ones(self) -> None:
        """Answer each question that has all its answers, or waits for too long."""
        now = time.monotonic()
        for gathering in list(self._open.values()):
            if not gathering.waiting or now >= gathering.deadline:
                del self._open[gathering.number]
                self._answer(gathering)

    def _answer(self, gathering: _Gathering) -> None:
        running = list(self._processes())
        total, gauges = dict(self._ended), Samples()
        for process in running:
            if process is not gathering.asked_by:
                add(total, process.samples)
                add(gauges, process.gauges)
        gathering.asked_by.channel.send(
            {
                "type": "gathered",
                "question": gathering.question,
                "samples": total,
                "gauges": gauges,
                "running": len(running),
                "answered": gathering.answered,
            }
        )
