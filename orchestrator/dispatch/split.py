"""Two dispatchers as one: most calls go to workers through Redis, some run in this process.

A call runs here in three cases: `REDIS_ROLLOUT_PERCENT` leaves it in memory; Redis has been down since this process
started; or Redis went down during a relay call, whose socket is here (`run_locally`). Calls of the last two kinds are
written back once Redis is up, and continue through it. A webhook call whose state is in Redis never runs here: its next
webhook may arrive at another ingress, and the call would have two states.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Protocol

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import LineClaim
from orchestrator.dispatch.hub import Pending
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.dispatch.local_calls import LocalCalls
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.dispatch.submission import Submission
from orchestrator.redis.breaker import Breaker
from orchestrator.state.base import StateManagerBase
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.rollout import uses_redis

logger = logging.getLogger(__name__)


class OpensLocal(Protocol):
    """Makes the dispatcher of this process, when it is first needed: it loads the agent."""

    def __call__(self) -> InProcessDispatcher: ...


class SplitDispatcher(Submission):
    """A dispatcher that sends each call to its place. A context manager; it owns the local dispatcher."""

    def __init__(
        self,
        remote: QueuedDispatcher,
        open_local: OpensLocal,
        *,
        breaker: Breaker,
        states: StateManagerBase,
        memory: InMemoryStateManager,
        rollout_percent: float = 100,
    ) -> None:
        super().__init__()
        self.remote = remote
        self._open_local = open_local
        self._breaker = breaker
        self._percent = rollout_percent
        self._local: InProcessDispatcher | None = None
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self.local_calls = LocalCalls(states=states, memory=memory, breaker=breaker, idle=self._idle)
        remote.takeover.gives_up = self._give_up

    async def __aenter__(self) -> "SplitDispatcher":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.local_calls.close()
        await self._stack.aclose()

    def is_local(self, call_sid: str) -> bool:
        """Whether the call runs in this process."""
        return call_sid in self.local_calls or not uses_redis(call_sid, self._percent)

    async def run_locally(self, state: ConversationState) -> None:
        """Continue a live call in this process, from its last known state, until Redis is up."""
        if self.is_local(state.call_sid):
            return
        await self.local_calls.add(state.call_sid, state)
        logger.warning(
            "A live call continues in memory", extra={"action": "call.local_fallback", "call_sid": state.call_sid}
        )

    async def submit(self, turn: Turn, *, opening: Mapping[str, Any] | None = None, stream: bool = False) -> Pending:
        """Hand over `turn` where its call lives; see `Dispatcher`."""
        dispatcher = await self._dispatcher_of(turn.call_sid, begins=opening is not None)
        return await dispatcher.submit(turn, opening=opening, stream=stream)

    async def waiting(self, call_sid: str) -> list[str]:
        """The ids of the call's turns that have no result yet; see `Dispatcher`."""
        return await (await self._dispatcher_of(call_sid, begins=False)).waiting(call_sid)

    async def find(self, call_sid: str, turn_id: str) -> Pending | None:
        """A turn that was submitted before; see `Dispatcher`."""
        return await (await self._dispatcher_of(call_sid, begins=False)).find(call_sid, turn_id)

    async def erase(self, call_sid: str) -> None:
        """Forget all turns of a call, wherever it ran; see `Dispatcher`."""
        if self._local is not None:
            await self._local.erase(call_sid)
        await self.remote.erase(call_sid)

    async def is_erased(self, call_sid: str) -> bool:
        """Whether the call was erased within the last day."""
        return await (await self._dispatcher_of(call_sid, begins=False)).is_erased(call_sid)

    async def take_over(self, call_sid: str, claim: LineClaim) -> None:
        """Let no other ingress have the call's line any more; see `Dispatcher`."""
        if not self.is_local(call_sid):
            await self.remote.take_over(call_sid, claim)

    async def _give_up(self, call_sid: str) -> bool:
        await self.on_taken_over(call_sid)
        return await self.local_calls.write_back(call_sid)

    async def _dispatcher_of(self, call_sid: str, *, begins: bool) -> QueuedDispatcher | InProcessDispatcher:
        await self.local_calls.wait_returned(call_sid)
        if begins and self._breaker.is_open and self._breaker.given_up:
            await self.local_calls.add(call_sid)
        return await self._here() if self.is_local(call_sid) else self.remote

    async def _here(self) -> InProcessDispatcher:
        async with self._opening:
            if self._local is None:
                opened = await asyncio.to_thread(self._open_local)  # an agent's imports may take seconds
                self._local = await self._stack.enter_async_context(opened)
            return self._local

    async def _idle(self, call_sid: str, seconds: float) -> None:
        if self._local is not None:
            await self._local.idle(call_sid, seconds)
