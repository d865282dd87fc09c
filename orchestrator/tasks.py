"""Background tasks and their owners. Who starts a task also cancels it and waits for its end, up to a deadline."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def cancel_and_wait(*tasks: "asyncio.Future[Any] | None", seconds: float = 2.0) -> None:
    """Cancel `tasks` and wait until all have ended, for at most `seconds` in total.

    None stands for a task that was never started. What the tasks raise is not raised here.
    """
    started = [task for task in tasks if task is not None]
    for task in started:
        task.cancel()  # also where it is done: asyncio then no longer reports an error that nobody retrieved
    if running := [task for task in started if not task.done()]:
        await asyncio.wait(running, timeout=seconds)


async def first_done(one: "asyncio.Future[Any]", other: "asyncio.Future[Any]", *, seconds: float) -> None:
    """Wait until either is done, for at most `seconds`. Cancels neither and raises nothing of theirs.

    What `asyncio.wait` does, for two futures in half of its time: each turn waits so.
    """
    if one.done() or other.done():
        return
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def release(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = loop.call_later(seconds, release)
    one.add_done_callback(release)
    other.add_done_callback(release)
    try:
        await waiter
    finally:
        timer.cancel()
        one.remove_done_callback(release)
        other.remove_done_callback(release)


class BackgroundTasks:
    """Tasks that end by themselves and whose results nobody reads.

    Keeps each until it has ended, because the event loop holds only a weak reference to a task.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` in a task called `name`."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self, seconds: float = 2.0, *, drain_seconds: float | None = None) -> None:
        """Cancel the tasks that still run and wait until they have ended, for at most `seconds`.

        With `drain_seconds`, wait that long before for those that run now to end by themselves.
        """
        if drain_seconds is not None and self._running:
            await asyncio.wait(self._running, timeout=drain_seconds)
        await cancel_and_wait(*self._running, seconds=seconds)
