"""An event loop in a thread of its own, for agents that might block it."""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

Owner = TypeVar("Owner")
_owner: ContextVar[Any] = ContextVar("voiceagent_agent_run")

LEFTOVER_SECONDS = 0.5
"""How long a loop that ends waits for tasks that agents left behind in it."""


class AgentLoop(Generic[Owner]):
    """Runs coroutines for owners until it is retired and the last of them has ended; then its thread ends.

    Its public methods belong to the thread that made it. The thread is a daemon: a block that never ends does
    not keep the process from exiting.
    """

    def __init__(self, name: str) -> None:
        self.owners: set[Owner] = set()  # the caller's book: who has something to do here
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(self._task)
        self._tasks: set[asyncio.Task[None]] = set()
        self._owner_of: WeakKeyDictionary[asyncio.Task[Any], Owner] = WeakKeyDictionary()
        self._retired = False
        self._answered = True
        self._missed = 0
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def tell(self, callback: Callable[..., object], *arguments: object) -> None:
        """Have `callback` called in the loop; nothing happens if the loop has ended."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)

    def begin(self, attempt: "Attempt[Owner]", run: "Run[Owner]", ended: "Ended[Owner]") -> None:
        """Run `run(attempt)`, then call `ended(attempt, error)`, both in this loop."""
        self.tell(self._begin, attempt, run, ended)

    def running(self) -> Owner | None:
        """Whose code holds the loop at this moment, in a task of its own or one that it started."""
        task = asyncio.current_task(self._loop)
        return None if task is None else self._owner_of.get(task)

    def probe(self) -> int:
        """How many probes in a row the loop has not answered. Each call sends the next one."""
        if not self._answered:
            self._missed += 1
            return self._missed
        self._answered, self._missed = False, 0
        self.tell(self._answer)
        return 0

    def retire(self) -> None:
        """Let the thread end as soon as nothing runs in it."""
        self.tell(self._retire)

    def stack(self) -> list[traceback.FrameSummary]:
        """What the thread is doing at this moment, outermost call first."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return list(traceback.extract_stack(frame)) if frame else []

    def _answer(self) -> None:
        self._answered = True

    def _retire(self) -> None:
        self._retired = True
        self._stop_if_idle()

    def _stop_if_idle(self) -> None:
        if self._retired and not self._tasks:
            self._loop.stop()

    def _begin(self, attempt: "Attempt[Owner]", run: "Run[Owner]", ended: "Ended[Owner]") -> None:
        context = copy_context()
        context.run(_owner.set, attempt.owner)
        attempt.task = task = self._loop.create_task(run(attempt), context=context)
        self._owner_of[task] = attempt.owner
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._ended(task, attempt, ended))
        if attempt.is_cancelled:
            task.cancel()

    def _ended(self, task: asyncio.Task[None], attempt: "Attempt[Owner]", ended: "Ended[Owner]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            ended(attempt, asyncio.CancelledError())
        else:
            ended(attempt, task.exception())
        self._stop_if_idle()

    def _task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        """The loop's task factory: a task that an agent starts has the agent's owner."""
        task = asyncio.Task(coroutine, loop=loop, **options)
        if (owner := _owner.get(None)) is not None:
            self._owner_of[task] = owner
        return task

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._run()
            self._end_leftovers()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    def _run(self) -> None:
        while not self._retired or self._tasks:
            try:
                self._loop.run_forever()
            except BaseException:  # sys.exit() in a task that an agent started must not take the others along
                logger.warning("A task of an agent tried to end the process.", extra={"action": "agent.exit_blocked"})

    def _end_leftovers(self) -> None:
        """Cancel what agents started and never awaited."""
        leftovers = asyncio.all_tasks(self._loop)
        if leftovers:
            self._loop.run_until_complete(cancel_and_wait(*leftovers, seconds=LEFTOVER_SECONDS))
        for task in asyncio.all_tasks(self._loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it was asked to end, and would not


class Attempt(Generic[Owner]):
    """One run of an owner's coroutine in one loop."""

    def __init__(self, loop: AgentLoop[Owner], owner: Owner) -> None:
        self.loop = loop
        self.owner = owner
        self.task: asyncio.Task[None] | None = None  # the loop's thread sets it
        self.is_cancelled = False
        self.ended_well = False  # set by whoever is told of the end

    def cancel(self) -> None:
        """Cancel the run, from any thread, whether or not it has begun."""
        self.is_cancelled = True
        self.loop.tell(self._cancel)

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()


Run = Callable[[Attempt[Owner]], Coroutine[Any, Any, None]]
Ended = Callable[[Attempt[Owner], BaseException | None], None]
