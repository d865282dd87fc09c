"""Replaces the web processes one by one: each leaves when its successor serves. Standard library only."""

import logging
from collections.abc import Callable, Iterable

from web.processes.web_process import WebProcess

logger = logging.getLogger(__name__)


class RollingRestart:
    """`start` starts a process with a number, `leave` has one drain. At most one more process runs than otherwise."""

    def __init__(self, start: Callable[[int], WebProcess], leave: Callable[[WebProcess], None]) -> None:
        self._start = start
        self._leave = leave
        self._waiting: list[WebProcess] = []
        self._old: WebProcess | None = None
        self._new: WebProcess | None = None

    def begin(self, processes: Iterable[WebProcess]) -> None:
        """Replace `processes`. One restart at a time: ignored during another."""
        if self._old is not None:
            return
        self._waiting = list(processes)
        logger.info("Restarting the processes one by one", extra={"action": "web.restarting"})
        self._next()

    def has_another(self, process: WebProcess) -> bool:
        """True if another process runs in the same place: the one that `process` replaces, or its successor."""
        return process is self._new or (process is self._old and self._new is not None)

    def process_ready(self, process: WebProcess) -> None:
        """Have the old process leave when its successor serves."""
        if process is self._new and self._old is not None:
            self._new = None
            self._leave(self._old)

    def process_ended(self, process: WebProcess) -> None:
        """Go on with the next process; stop if a successor cannot serve."""
        if process in self._waiting:  # it died, and is replaced anyway
            self._waiting.remove(process)
        if process is self._new:
            self._waiting, self._old, self._new = [], None, None
            logger.error(
                "The restart was stopped: a new process did not serve; the others stay",
                extra={"action": "web.restart_failed"},
            )
        elif process is self._old:
            self._new = None
            self._next()

    def _next(self) -> None:
        if not self._waiting:
            self._old = None
            logger.info("All processes were restarted", extra={"action": "web.restarted"})
            return
        self._old = self._waiting.pop(0)
        self._new = self._start(self._old.number)
