"""`Presence`: how an ingress says that it is there, and knows of the other processes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from orchestrator import clock
from orchestrator.processes.report import Process, Report, processes_of

ReadReport = Callable[[], dict[str, Any]]
"""Returns the report of this process as it is now, without `seen_at`."""


class Presence:
    """Without Redis: this process is the only one."""

    def __init__(self, process_id: str | None = None) -> None:
        self.process_id = process_id or uuid4().hex
        self.read_report: ReadReport = dict

    @asynccontextmanager
    async def reporting(self, read_report: ReadReport) -> AsyncIterator[None]:
        """Report what `read_report` returns, while the block runs."""
        self.read_report = read_report
        yield

    async def reports(self) -> dict[str, Report]:
        """Return the reports by process id, with those of processes that have ended lately (`left_at`).

        Raise `StoreUnavailable`.
        """
        return {self.process_id: {**self.read_report(), "seen_at": clock.now()}}

    async def processes(self) -> list[Process]:
        """Return the processes that run, or were lost in the last ten minutes. Raise `StoreUnavailable`."""
        return processes_of(await self.reports(), clock.now())
