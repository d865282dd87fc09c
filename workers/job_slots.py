"""The jobs that a worker runs at the same time: at most `max_jobs`."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from arq.worker import Worker

from orchestrator import error_logging

logger = logging.getLogger("arq.worker")


class JobSlots:
    """Starts jobs as tasks of `worker` and counts those that run, where arq's own records count them."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._freed = asyncio.Event()

    @property
    def are_open(self) -> bool:
        """False once the worker drains: it starts no more jobs."""
        return self._worker.allow_pick_jobs

    @property
    def free(self) -> int:
        """How many more jobs may be started."""
        return self._worker.max_jobs - self._worker.job_counter if self.are_open else 0

    async def wait_until_freed(self, seconds: float) -> None:
        """Wait until a job has ended, or a slot that was reserved is free, for at most `seconds`."""
        self._freed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._freed.wait()

    def wake_waiting(self) -> None:
        """End the waits for a free slot: one that was reserved is free again."""
        self._freed.set()

    def start(self, name: str, job: Coroutine[Any, Any, None]) -> None:
        """Run `job` in a task called `name`. A claim asks for no more jobs than slots are free."""
        self._worker.job_counter += 1
        task = self._worker.tasks[name] = self._worker.loop.create_task(job, name=name)
        task.add_done_callback(self._on_ended)

    def _on_ended(self, _: "asyncio.Task[Any]") -> None:
        self._worker.job_counter -= 1
        self._freed.set()

    def forget_ended(self) -> None:
        """Drop the tasks that have ended, and log their errors. In burst mode raise them, as arq does."""
        for job_id, task in list(self._worker.tasks.items()):
            if not task.done():
                continue
            del self._worker.tasks[job_id]
            if task.cancelled() or (error := task.exception()) is None:
                continue
            if self._worker.burst or not isinstance(error, Exception):
                raise error
            error_logging.log(logging.ERROR, logger, "Job %s was left unfinished: %s", job_id, error=error)
