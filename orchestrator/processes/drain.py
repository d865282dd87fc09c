"""Which workers are to drain, by what a person calls them; and what a worker hears that is told to."""

from collections.abc import Iterable, Sequence

from orchestrator.errors import UnknownProcess
from orchestrator.processes.report import Process, alive

DRAIN_MESSAGE = b'{"drain": true}'
"""The message to a worker that it is to drain. It may get lost: with each report the worker looks for the order."""


def chosen(names: Iterable[str], processes: Sequence[Process]) -> list[Process]:
    """Return the living workers of these names, each once: an id, its beginning, or host and process id as `anna:712`.

    Raise `UnknownProcess` for a name of none, or of several.
    """
    found = {worker["id"]: worker for worker in (_named(name, processes) for name in names)}
    return list(found.values())


def all_of(version: str, processes: Sequence[Process]) -> list[Process]:
    """Return the living workers of a version. Raise `UnknownProcess` if there are none."""
    workers = alive(processes, "worker")
    found = [worker for worker in workers if worker["version"] == version]
    if not found:
        others = ", ".join(sorted({worker["version"] for worker in workers})) or "none"
        raise UnknownProcess(f"No worker that lives runs {version}. Versions that run: {others}.")
    return found


def place_of(process: Process) -> str:
    """Return on which machine the process is, and its id there; "-" if an earlier version does not say."""
    return f"{process['host']}:{process['pid']}" if process["host"] else "-"


def _named(name: str, processes: Sequence[Process]) -> Process:
    found = [process for process in alive(processes, "worker") if _is_called(process, name)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(process["id"] for process in found[:5])
        raise UnknownProcess(f"{name} is the beginning of several workers' ids: {ids}. Give more of it.")
    if any(_is_called(process, name) for process in alive(processes, "ingress")):
        raise UnknownProcess(f"{name} is an ingress, and only workers are told to drain: send its process SIGTERM.")
    raise UnknownProcess(f"No worker that lives is called {name or 'that'}: `voiceagent workers` lists them.")


def _is_called(process: Process, name: str) -> bool:
    return name != "" and (process["id"].startswith(name) or place_of(process) == name)
