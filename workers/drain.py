"""How a worker drains: it lets running turns finish for a while, then releases those that still run."""

import asyncio
import logging
from collections.abc import Collection
from signal import Signals
from typing import Any

from workers.runtime import WorkerRuntime

logger = logging.getLogger("arq.worker")

RELEASE_SECONDS = 5.0
"""How long turns that were stopped may take to release their leases."""


async def finish(tasks: Collection["asyncio.Task[Any]"], runtime: WorkerRuntime | None, seconds: float) -> None:
    """Wait for `tasks`, for at most `seconds`, then release the turns that still run, and those that have not begun."""
    if runtime is not None:
        await runtime.leave()
    await _wait_for(tasks, seconds)
    if runtime is not None and any(not task.done() for task in tasks):
        runtime.runner.release_all()
        await _wait_for(tasks, RELEASE_SECONDS)
    if runtime is not None:
        await runtime.release_rest()


def cancel_rest(tasks: Collection["asyncio.Task[Any]"], signum: Signals, done: tuple[int, int, int]) -> None:
    """Cancel the tasks that have not ended, and log the result. `done` counts the complete, failed and retried jobs."""
    left = [task for task in tasks if not task.done()]
    logger.info(
        "shutdown on %s, wait complete ◆ %d jobs complete ◆ %d failed ◆ %d retries ◆ %d ongoing to cancel",
        Signals(signum).name, *done, len(left), extra={"action": "worker.drained"},
    )  # fmt: skip
    for task in left:
        task.cancel()


async def _wait_for(tasks: Collection["asyncio.Task[Any]"], seconds: float) -> None:
    running = [task for task in tasks if not task.done()]
    if running:
        await asyncio.wait(running, timeout=seconds)
