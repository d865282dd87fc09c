"""Two ways to run an agent: in the caller's event loop (`InlineRun`), and in an agent loop's thread (`ThreadRun`)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import cast

from orchestrator import error_logging
from orchestrator.agents.agent_loop import AgentLoop, Attempt
from orchestrator.agents.agent_run import CLOSE_SECONDS, AgentRun, own_copy, parts_of
from orchestrator.agents.part_queue import PartQueue
from orchestrator.agents.protocol import Agent, Part
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadReply

logger = logging.getLogger(__name__)

SELF_CANCELLED = "The agent let a CancelledError out that nobody sent it. Catch it where a task is awaited."


class InlineRun(AgentRun):
    """Runs the agent in the task that asks for its parts."""

    _parts: AsyncGenerator[Part, None] | None = None
    _is_over = False
    _was_stopped = False

    async def __anext__(self) -> Part:
        if self._is_over:
            raise StopAsyncIteration
        if self._parts is None:
            self._own = own_copy(self._given)
            self._parts = cast(AsyncGenerator[Part, None], parts_of(self._agent, self._turn, self._own))
        try:
            return await self._parts.__anext__()
        except StopAsyncIteration:
            self._is_over, self._left = True, self._own
            raise
        except asyncio.CancelledError:
            self._is_over = True
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self._was_stopped = True  # the generator let the cancellation out, so it has ended
                raise
            raise BadReply(SELF_CANCELLED) from None
        except BaseException:
            self._is_over = True
            raise

    async def aclose(self) -> None:
        if self._is_over or self._parts is None:
            self._is_over = True
            return
        self._is_over = True
        closing = asyncio.ensure_future(self._parts.aclose())
        closing.add_done_callback(partial(_note_closing, self._turn))
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        if closing.done():
            self._was_stopped = not closing.cancelled() and closing.exception() is None
        else:
            closing.cancel()
            _note_slow(self._turn)


class ThreadRun(AgentRun):
    """Runs the agent in the thread of an `AgentLoop`, and can be moved to another before its first part."""

    def __init__(self, agent: Agent, turn: Turn, state: ConversationState, choose: "Callable[[], Loop]") -> None:
        super().__init__(agent, turn, state)
        self._choose = choose
        self._parts = PartQueue()
        self._attempt: Attempt[ThreadRun] | None = None
        self._is_closed = False

    @property
    def turn(self) -> Turn:
        """The turn that is answered."""
        return self._turn

    def move_to(self, loop: "Loop") -> None:
        """Begin again in another loop, with a new copy of the state, unless something was said already."""
        before, attempt = self._attempt, Attempt(loop, self)
        if before is not None and self._parts.switch(attempt):
            before.loop.owners.discard(self)
            before.cancel()
            self._begin(attempt)

    def cancel(self) -> None:
        """Tell the agent to end, and wait for nothing."""
        if self._attempt is not None:
            self._attempt.cancel()

    async def __anext__(self) -> Part:
        if self._is_closed:
            raise StopAsyncIteration
        if self._attempt is None:
            attempt = Attempt(self._choose(), self)
            self._parts.switch(attempt)
            self._begin(attempt)
        try:
            return await self._parts.get()
        except asyncio.CancelledError:  # whoever asks is cancelled, so the agent is too; `aclose` waits for it
            self.cancel()
            raise
        except StopAsyncIteration:
            self._settle()
            raise

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._attempt is None:
            return
        try:
            if not self._parts.is_finished:
                await self._end(self._attempt)
        finally:
            self._attempt.loop.owners.discard(self)

    async def _end(self, attempt: "Attempt[ThreadRun]") -> None:
        self._parts.close()
        attempt.cancel()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                error = await self._parts.finished()
        except TimeoutError:
            _note_slow(self._turn)
        else:
            if error is not None:
                _note_error(self._turn, error)

    def _begin(self, attempt: "Attempt[ThreadRun]") -> None:
        self._attempt = attempt
        self._own = own_copy(self._given)
        attempt.loop.owners.add(self)
        attempt.loop.begin(attempt, partial(self._run, state=self._own), self._ended)

    @property
    def _was_stopped(self) -> bool:
        return self._attempt is not None and self._attempt.ended_well

    async def _run(self, attempt: "Attempt[ThreadRun]", state: ConversationState) -> None:
        parts = cast(AsyncGenerator[Part, None], parts_of(self._agent, self._turn, state))
        async with aclosing(parts):
            async for part in parts:
                if not await self._parts.put(attempt, part):
                    return

    def _ended(self, attempt: "Attempt[ThreadRun]", error: BaseException | None) -> None:
        if isinstance(error, asyncio.CancelledError):
            error = None if attempt.is_cancelled else BadReply(SELF_CANCELLED)
        attempt.ended_well = error is None
        self._parts.finish(attempt, error)

    def _settle(self) -> None:
        if self._attempt is not None and not self._attempt.is_cancelled:
            self._left = self._own


Loop = AgentLoop[ThreadRun]


def _note_closing(turn: Turn, closing: "asyncio.Future[None]") -> None:
    if not closing.cancelled() and (error := closing.exception()) is not None:
        _note_error(turn, error)


def _note_error(turn: Turn, error: BaseException) -> None:
    message = "The agent raised %s while it was being closed"
    error_logging.log(logging.WARNING, logger, message, error=error, extra=_of("agent.close_failed", turn))


def _note_slow(turn: Turn) -> None:
    logger.warning("The agent does not heed its cancellation.", extra=_of("agent.close_timed_out", turn))


def _of(action: str, turn: Turn) -> dict[str, str]:
    return {"action": action, "call_sid": turn.call_sid, "turn_id": turn.turn_id}
