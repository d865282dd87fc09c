"""`ThreadRun`: runs an agent in the thread of an `AgentLoop`, so that one that blocks holds up no other call.

caller's loop                                              agents' loop (its own thread)
─────────────                                              ─────────────────────────────
ThreadRun.__anext__
   │  first time: AgentLoop.start ── call_soon ──────────> Attempt.run: the agent, on its own copy of the state
   │                                                          │
PartQueue.get  <───────────── parts ─────────────────────  PartQueue.put   (waits while 64 parts are untaken)
   │                                                          │
   │  end, or the agent's error  <───────────────────────  Attempt.on_done: PartQueue.finish
   │
ThreadRun.aclose: Attempt.cancel ── call_soon ───────────> the agent's task is cancelled
   waits for the end, CLOSE_SECONDS at most

If the loop answers no probe, the watchdog in `AgentHost` retires it and abandons the attempts that have said
nothing. `PartQueue.get` then raises `Abandoned`, and `__anext__` starts another attempt in the fresh loop.
"""

import asyncio
from collections.abc import Callable

from orchestrator.agents.agent_loop import AgentLoop, Attempt
from orchestrator.agents.agent_run import CLOSE_SECONDS, AgentRun, log_close_error, log_close_timeout
from orchestrator.agents.part_queue import Abandoned
from orchestrator.agents.protocol import Agent, Part
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn


class ThreadRun(AgentRun):
    """Runs the agent in the loop that `choose_loop` returns, and again in another one if the watchdog asks for it."""

    def __init__(
        self, agent: Agent, turn: Turn, state: ConversationState, choose_loop: Callable[[], AgentLoop]
    ) -> None:
        super().__init__(agent, turn, state)
        self._choose_loop = choose_loop
        self._attempt: Attempt | None = None
        self._is_closed = False

    async def __anext__(self) -> Part:
        while not self._is_closed:
            attempt = self._attempt or self._start()
            try:
                return await attempt.parts.get()
            except Abandoned:
                self._attempt = None
            except asyncio.CancelledError:  # the caller is cancelled, so the agent is too; `aclose` waits for it
                attempt.cancel()
                raise
            except StopAsyncIteration:
                if attempt.ended_well and not attempt.is_cancelled:
                    self._left = attempt.state
                raise
        raise StopAsyncIteration

    async def aclose(self) -> None:
        was_closed, self._is_closed = self._is_closed, True
        if was_closed or self._attempt is None:
            return
        try:
            if not self._attempt.parts.is_finished:
                await self._end(self._attempt)
        finally:
            self._attempt.leave()

    def _start(self) -> Attempt:
        self._attempt = attempt = self._choose_loop().start(self._agent, self._turn, self._given)
        self._own = attempt.state
        return attempt

    async def _end(self, attempt: Attempt) -> None:
        attempt.parts.close()
        attempt.cancel()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                error = await attempt.parts.finished()
        except TimeoutError:
            log_close_timeout(self._turn)
        else:
            if error is not None:
                log_close_error(self._turn, error)

    @property
    def _was_stopped(self) -> bool:
        return self._attempt is not None and self._attempt.ended_well
