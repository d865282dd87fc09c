"""The workers as the dashboard shows them: alive, silent or lost."""

from collections.abc import Iterable
from typing import Any

SILENT_SECONDS = 9.0
"""A worker sends a heartbeat every five seconds; one may be late."""
REMEMBERED_SECONDS = 600.0


class WorkerHistory:
    """Remembers lost workers for ten minutes; in Redis they are found for one."""

    def __init__(self) -> None:
        self._lost: dict[str, dict[str, Any]] = {}

    def update(self, workers: Iterable[dict[str, Any]], now: float) -> list[dict[str, Any]]:
        """Return all workers, the lost ones last, with `state`: `alive`, `silent` or `lost`. `now` is Unix seconds.

        A worker that exits removes its entry; that of a lost one stays.
        """
        alive: list[dict[str, Any]] = []
        for worker in workers:
            if worker.get("lost"):
                self._lost[worker["id"]] = worker
                continue
            self._lost.pop(worker["id"], None)  # it was frozen, and has resumed
            silent = now - float(worker.get("seen_at", now)) > SILENT_SECONDS
            alive.append({**worker, "state": "silent" if silent else "alive"})
        self._lost = {
            name: worker for name, worker in self._lost.items() if now - worker["seen_at"] < REMEMBERED_SECONDS
        }
        return [*alive, *({**worker, "running": 0, "state": "lost"} for worker in self._lost.values())]


def worker_warning(workers: Iterable[dict[str, Any]]) -> str | None:
    """Return a sentence about workers that are lost or silent; None when there are none."""
    states = [worker.get("state") for worker in workers]
    lost, silent = states.count("lost"), states.count("silent")
    if lost:
        return f"{lost} {'worker was' if lost == 1 else 'workers were'} lost in the last ten minutes: see their logs."
    if silent:
        return f"{silent} {'worker has' if silent == 1 else 'workers have'} fallen silent."
    return None
