"""`AgentLoop`: an event loop in a thread of its own, for agents that may block it; and `Attempt`, which runs there."""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from contextvars import Context, ContextVar, copy_context
from typing import Any, cast
from weakref import WeakKeyDictionary

from orchestrator.agents.agent_run import SELF_CANCELLED, own_copy, parts_of
from orchestrator.agents.loop_calls import LoopCalls
from orchestrator.agents.part_queue import PartQueue
from orchestrator.agents.protocol import Agent, Part
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadReply
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

LEFTOVER_SECONDS = 0.5
"""How long a loop that ends waits for tasks that agents left behind in it."""


_attempt: "ContextVar[Attempt]" = ContextVar("voiceagent_attempt")


class AgentLoop:
    """Runs attempts until it is retired and the last of them has ended; then its thread ends.

    Only the thread that made it calls its public methods, apart from `call_soon`. Its own thread is a daemon: an agent
    that blocks for ever does not keep the process from exiting. `home` calls functions in the loop that made it.
    """

    def __init__(self, name: str, home: LoopCalls) -> None:
        self.attempts: set[Attempt] = set()
        """The attempts that were started here and not yet left; an attempt may have ended before that."""
        self._loop = type(asyncio.get_running_loop())()  # of the same kind: uvloop's is woken for half the price
        self._loop.set_task_factory(self._make_task)
        self._home = home
        self._calls = LoopCalls(self._loop)
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempt_of: WeakKeyDictionary[asyncio.Task[Any], Attempt] = WeakKeyDictionary()
        self._is_retired = False
        self._unanswered_probes = 0
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """True while the thread runs."""
        return self._thread.is_alive()

    def call_soon(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call `callback` in the loop, from any thread. Do nothing if the loop has ended."""
        self._calls.call(callback, *arguments)

    def start(self, agent: Agent, turn: Turn, state: ConversationState) -> "Attempt":
        """Start `agent` on a copy of `state`, and return the attempt."""
        attempt = Attempt(self, self._home, agent, turn, own_copy(state))
        self.attempts.add(attempt)
        context = copy_context()
        context.run(_attempt.set, attempt)
        self.call_soon(self._start, attempt, context)
        return attempt

    def current_attempt(self) -> "Attempt | None":
        """Return the attempt whose code holds the loop at this moment, in its own task or in one that it started."""
        task = asyncio.current_task(self._loop)
        return None if task is None else self._attempt_of.get(task)

    def probe(self) -> int:
        """Send a probe. Return how many of those before it, in a row, are unanswered."""
        unanswered = self._unanswered_probes
        self._unanswered_probes = unanswered + 1
        self.call_soon(self._answer_probes)
        return unanswered

    def retire(self) -> None:
        """End the thread as soon as nothing runs in it."""
        self.call_soon(self._retire)

    def stack(self) -> list[traceback.FrameSummary]:
        """Return what the thread is doing at this moment, outermost call first."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return list(traceback.extract_stack(frame)) if frame else []

    # What follows runs in the loop's own thread.

    def _answer_probes(self) -> None:
        self._unanswered_probes = 0

    def _retire(self) -> None:
        self._is_retired = True
        self._stop_if_idle()

    def _stop_if_idle(self) -> None:
        if self._is_retired and not self._tasks:
            self._loop.stop()

    def _start(self, attempt: "Attempt", context: Context) -> None:
        task = context.run(self._loop.create_task, attempt.run())
        self._tasks.add(task)
        task.add_done_callback(attempt.on_done)
        task.add_done_callback(self._on_done)
        attempt.task = task
        if attempt.is_cancelled:
            task.cancel()

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._stop_if_idle()

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        """The loop's task factory: a task that an agent starts belongs to the attempt that the agent runs in."""
        task = asyncio.Task(coroutine, loop=loop, **options)
        if (attempt := _attempt.get(None)) is not None:
            self._attempt_of[task] = attempt
        return task

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._run()
            self._end_leftovers()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            self._calls.close()
            self._loop.close()

    def _run(self) -> None:
        while not self._is_retired or self._tasks:
            try:
                self._loop.run_forever()
            except BaseException:  # sys.exit() in a task that an agent started must not end the other agents
                logger.warning("A task of an agent tried to end the process.", extra={"action": "agent.exit_blocked"})

    def _end_leftovers(self) -> None:
        """Cancel the tasks that agents started and never awaited."""
        leftovers = asyncio.all_tasks(self._loop)
        if leftovers:
            self._loop.run_until_complete(cancel_and_wait(*leftovers, seconds=LEFTOVER_SECONDS))
        for task in asyncio.all_tasks(self._loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it was asked to end, and would not


class Attempt:
    """One attempt of an agent at a turn, in one loop, with its own copy of the state and its own queue of parts.

    `run` and `on_done` belong to the agents' loop, the rest to the thread that started the attempt.
    """

    def __init__(self, loop: AgentLoop, home: LoopCalls, agent: Agent, turn: Turn, state: ConversationState) -> None:
        self.turn = turn
        self.state = state
        self.parts = PartQueue(home.call)
        self.task: asyncio.Task[None] | None = None  # set by the loop, while the agent runs
        self.is_cancelled = False
        self.ended_well = False
        """True if the agent has ended by itself or because it was cancelled, and has raised nothing."""
        self._loop = loop
        self._agent = agent

    def abandon(self) -> None:
        """Let the attempt be made again elsewhere, unless the agent has said something or ended."""
        if self.parts.abandon():
            self.leave()
            self.cancel()

    def cancel(self) -> None:
        """Cancel the agent, whether or not it has begun, and wait for nothing."""
        self.is_cancelled = True
        self._loop.call_soon(self._cancel)

    def leave(self) -> None:
        """Nobody waits for this attempt any more: the watchdog need not care for it."""
        self._loop.attempts.discard(self)

    async def run(self) -> None:
        """Put the agent's parts into the queue until nobody takes them."""
        async with aclosing(cast(AsyncGenerator[Part, None], parts_of(self._agent, self.turn, self.state))) as parts:
            async for part in parts:
                if not await self.parts.put(part):
                    return
        self.ended_well = True
        self.parts.finish(None)  # `on_done` would do it one round of the loop later

    def on_done(self, task: asyncio.Task[None]) -> None:
        """Finish the queue, if `run` has not: a task that is cancelled before it begins runs none of its code."""
        self.task = None  # or the loop, which finds attempts by their tasks, would keep both for as long as it lives
        error = self._error_of_cancelled() if task.cancelled() else task.exception()
        self.ended_well = error is None
        self.parts.finish(error)

    def _error_of_cancelled(self) -> BadReply | None:
        return None if self.is_cancelled else BadReply(SELF_CANCELLED)

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()
