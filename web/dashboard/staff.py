"""The workers as the dashboard shows them: those alive, those that have fallen silent, those that were lost."""

from collections.abc import Iterable
from typing import Any

SILENT_SECONDS = 9.0
"""A worker says each five seconds that it lives; one beat may be late."""
REMEMBERED_SECONDS = 600.0


class Staff:
    """Remembers lost workers for ten minutes: their own traces in Redis last for one."""

    def __init__(self) -> None:
        self._lost: dict[str, dict[str, Any]] = {}

    def seen(self, workers: Iterable[dict[str, Any]], now: float) -> list[dict[str, Any]]:
        """Return all workers, the lost ones last, with `state`: `alive`, `silent` or `lost`. `now` is Unix seconds.

        One that says goodbye is in no list; one that is lost has left its last sign of life.
        """
        alive: list[dict[str, Any]] = []
        for worker in workers:
            if worker.get("lost"):
                self._lost[worker["id"]] = worker
                continue
            self._lost.pop(worker["id"], None)  # it was frozen, and is back
            silent = now - float(worker.get("seen_at", now)) > SILENT_SECONDS
            alive.append({**worker, "state": "silent" if silent else "alive"})
        self._lost = {
            name: worker for name, worker in self._lost.items() if now - worker["seen_at"] < REMEMBERED_SECONDS
        }
        return [*alive, *({**worker, "running": 0, "state": "lost"} for worker in self._lost.values())]


def concern(workers: Iterable[dict[str, Any]]) -> str | None:
    """Return what is to be said about them, in a sentence; None when all is well."""
    states = [worker.get("state") for worker in workers]
    lost, silent = states.count("lost"), states.count("silent")
    if lost:
        return f"{lost} {'worker was' if lost == 1 else 'workers were'} lost in the last ten minutes: see their logs."
    if silent:
        return f"{silent} {'worker has' if silent == 1 else 'workers have'} fallen silent."
    return None
