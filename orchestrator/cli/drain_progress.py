"""How far workers are that drain: what changed since the last look, in sentences. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import clock
from orchestrator.cli.colors import Colors
from orchestrator.cli.transcript import printable
from orchestrator.processes.drain import place_of
from orchestrator.processes.report import Process, Report, process_of

SHOWN_ID = 12
"""Characters of an id that are shown: enough to tell workers apart."""


@dataclass(frozen=True, slots=True)
class News:
    """What a look has found of one worker."""

    worker: str
    text: str
    style: str

    def shown(self, colors: Colors) -> str:
        """Return it as a line."""
        return f"{self.worker}  {colors(self.text, self.style)}"


class DrainProgress:
    """Follows these workers, which were told to drain."""

    def __init__(self, workers: Sequence[Process]) -> None:
        self.workers = workers
        self._states = {worker["id"]: "told" for worker in workers}
        self._said: dict[str, str] = {}

    @property
    def draining(self) -> list[str]:
        """Return the ids of those that have not ended."""
        return [worker_id for worker_id, state in self._states.items() if state in ("told", "draining")]

    @property
    def lost(self) -> list[str]:
        """Return the ids of those that were lost before they had ended."""
        return [worker_id for worker_id, state in self._states.items() if state == "lost"]

    def look(self, reports: Mapping[str, Report]) -> Iterator[News]:
        """Take note of the reports, by worker id. Yield what is new."""
        for worker in self.workers:
            worker_id = worker["id"]
            if worker_id in self.draining:
                self._states[worker_id], text, style = _found(reports.get(worker_id))
                if self._said.get(worker_id) != text:
                    self._said[worker_id] = text
                    yield News(f"{worker_id[:SHOWN_ID]}  {printable(place_of(worker))}", text, style)

    def described(self) -> list[dict[str, Any]]:
        """Return the workers with their states, for machines: `told`, `draining`, `ended` or `lost`."""
        return [{**worker, "state": self._states[worker["id"]]} for worker in self.workers]


def _found(report: Report | None) -> tuple[str, str, str]:
    """Return the state of a worker by its latest report, a sentence, and its style."""
    if report is None or "left_at" in report:
        return "ended", "has ended", "green"
    process = process_of("", report, clock.now())
    if process is None or process["state"] == "lost":
        return "lost", "was lost before it had ended: its turns are run again by others", "red"
    if process["state"] == "running":
        return "told", "was told", "dim"
    running = process["running"]
    text = f"finishes {running} {'turn' if running == 1 else 'turns'}" if running else "drains"
    return "draining", text, "dim"
