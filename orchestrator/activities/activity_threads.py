"""Where activities run: apart from the event loop of the process, which one that blocks would hold up.

A function runs in a thread of its own. An async function runs in an event loop that all of them share, so that a user's
module-level HTTP client works as usual; if one blocks that loop, those after it get a fresh one.
"""

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from orchestrator.activities.function import arguments_of, function_of
from orchestrator.activities.result import result_of
from orchestrator.schedule.item import ActivityItem

logger = logging.getLogger(__name__)

END_SECONDS = 1.0
"""How long an activity that was cancelled may take to end, until what it runs in counts as stuck."""


@dataclass(slots=True)
class Ended:
    """How a run ended: with its `value`, as JSON has it, or with what it raised.

    `is_missing`: there is no such function here.
    """

    value: Any = None
    error: BaseException | None = None
    is_missing: bool = False


class ActivityThreads:
    """Runs functions in threads. Only the event loop that made it calls its methods.

    What was cancelled counts as stuck if it has not ended after `end_seconds`.
    """

    def __init__(self, *, end_seconds: float = END_SECONDS) -> None:
        self._end_seconds = end_seconds
        self._loop: _LoopThread | None = None
        self._numbers = count(1)
        self._stuck: set[asyncio.Future[Ended]] = set()

    @property
    def stuck(self) -> int:
        """How many runs go on that nobody waits for any more."""
        return len(self._stuck)

    async def run(self, item: ActivityItem) -> Ended:
        """Run the function of `item` to its end. If this is cancelled, so is the run; a function that is not async goes
        on until it returns."""
        prepared = await self._outcome(self._in_thread(partial(_prepare, item), f"load {item.item_id}"))
        if prepared.error is not None:
            return Ended(error=prepared.error, is_missing=True)
        function, arguments = prepared.value
        if inspect.iscoroutinefunction(function):
            return await self._in_loop(partial(function, **arguments))
        ended = await self._outcome(self._in_thread(partial(_called, function, arguments), f"run {item.item_id}"))
        if inspect.isawaitable(ended.value):  # as of an object that is called, and is async
            return await self._in_loop(partial(_given, ended.value))
        return ended

    def close(self) -> None:
        """End the event loop's thread. Threads of functions that do not return are left to the end of the process."""
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    async def _in_loop(self, begin: Callable[[], Any]) -> Ended:
        if self._loop is None:
            self._loop = _LoopThread(f"activities-{next(self._numbers)}")
        loop = self._loop
        running = loop.start(begin)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            loop.cancel(running)
            if await self._is_stuck(running):
                self._retire(loop)
            raise

    def _retire(self, loop: "_LoopThread") -> None:
        logger.warning(
            "An activity blocks the event loop of the activities. Await what takes long, or write it without async.",
            extra={"action": "activity.blocked"},
        )
        loop.retire()
        if self._loop is loop:
            self._loop = None

    async def _outcome(self, running: "asyncio.Future[Ended]") -> Ended:
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._note_stuck(running)
            raise

    async def _is_stuck(self, running: "asyncio.Future[Ended]") -> bool:
        """Wait a moment for a run that was cancelled. Return whether it goes on."""
        with suppress(asyncio.CancelledError):
            await asyncio.wait({running}, timeout=self._end_seconds)
        self._note_stuck(running)
        return not running.done()

    def _note_stuck(self, running: "asyncio.Future[Ended]") -> None:
        if not running.done():
            self._stuck.add(running)
            running.add_done_callback(self._stuck.discard)

    def _in_thread(self, work: Callable[[], Any], name: str) -> "asyncio.Future[Ended]":
        loop = asyncio.get_running_loop()
        ending: asyncio.Future[Ended] = loop.create_future()

        def run() -> None:
            ended = _ended_of(work)
            with suppress(RuntimeError):  # the loop has ended: nobody waits
                loop.call_soon_threadsafe(_settle, ending, ended)

        threading.Thread(target=run, name=name, daemon=True).start()
        return ending


class _LoopThread:
    """An event loop in a thread of its own, which ends when it is stopped and nothing runs in it any more."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[asyncio.Future[Ended], asyncio.Task[Ended]] = {}
        threading.Thread(target=self._main, name=name, daemon=True).start()

    def start(self, begin: Callable[[], Any]) -> "asyncio.Future[Ended]":
        """Await what `begin` returns there."""
        here = asyncio.get_running_loop()
        ending: asyncio.Future[Ended] = here.create_future()
        self._loop.call_soon_threadsafe(self._begin, begin, ending, here)
        return ending

    def cancel(self, ending: "asyncio.Future[Ended]") -> None:
        """Cancel what was started."""
        self._call(lambda: task.cancel() if (task := self._tasks.get(ending)) else None)

    def retire(self) -> None:
        """End the thread once nothing runs there any more."""
        self._call(self._stop_when_done)

    def stop(self) -> None:
        """Cancel everything there, and end the thread."""
        self._call(self._stop)

    def _call(self, callback: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(callback)

    # What follows runs in the thread.

    def _begin(
        self, begin: Callable[[], Any], ending: "asyncio.Future[Ended]", here: asyncio.AbstractEventLoop
    ) -> None:
        task = self._loop.create_task(_awaited(begin))
        self._tasks[ending] = task

        def done(_: object) -> None:
            del self._tasks[ending]
            ended = Ended(error=asyncio.CancelledError()) if task.cancelled() else task.result()
            with suppress(RuntimeError):
                here.call_soon_threadsafe(_settle, ending, ended)

        task.add_done_callback(done)

    def _stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._loop.call_soon(self._loop.stop) if not self._tasks else self._loop.call_soon(self._stop_when_done)

    def _stop_when_done(self) -> None:
        if self._tasks:
            self._loop.call_later(0.05, self._stop_when_done)
        else:
            self._loop.stop()

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()


def _prepare(item: ActivityItem) -> tuple[Callable[..., Any], dict[str, Any]]:
    function = function_of(item.function)
    return function, arguments_of(function, item)


def _called(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    value = function(**arguments)
    return value if inspect.isawaitable(value) else result_of(value)


def _ended_of(work: Callable[[], Any]) -> Ended:
    try:
        return Ended(work())
    except BaseException as error:  # sys.exit() of a user's function ends that function alone
        return Ended(error=error)


async def _awaited(begin: Callable[[], Any]) -> Ended:
    try:
        return Ended(result_of(await begin()))
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # or it would end the loop, and all that runs there
        return Ended(error=error)


async def _given(awaitable: Any) -> Any:
    return await awaitable


def _settle(ending: "asyncio.Future[Ended]", ended: Ended) -> None:
    if not ending.done():
        ending.set_result(ended)
