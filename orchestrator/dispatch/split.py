"""Two dispatchers as one: most calls go to workers through Redis, some run in this process.

A call runs here when `REDIS_ROLLOUT_PERCENT` leaves it in memory, when Redis has not been there since this process
began, or when a live line was carried on here because Redis went away (`adopt`). When Redis is back, the calls of the
latter two kinds are written back and go on through it. A webhook call whose state is in Redis is never run
here: its next webhook may come in elsewhere, and there must not be two truths.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Protocol

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.hub import Pending
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.dispatch.submission import SUBMIT_DEADLINE_SECONDS
from orchestrator.errors import StateConflict, StoreUnavailable
from orchestrator.redis.breaker import Breaker
from orchestrator.retrying import until_deadline
from orchestrator.state.base import StateManagerBase
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.rollout import uses_redis
from orchestrator.state.write_back import write_back

logger = logging.getLogger(__name__)

IDLE_SECONDS = 60.0
RETURN_SECONDS = 1.0
"""How soon an adopted call is brought back where Redis was away too briefly for the breaker to notice."""


class OpensLocal(Protocol):
    """Makes the dispatcher of this process, when it is first needed: it loads the agent."""

    def __call__(self) -> InProcessDispatcher: ...


class SplitDispatcher:
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
        self.remote = remote
        self._open_local = open_local
        self._breaker = breaker
        self._states = states
        self._memory = memory
        self._percent = rollout_percent
        self._local: InProcessDispatcher | None = None
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._refugees: set[str] = set()
        self._adopted: dict[str, ConversationState] = {}
        self._moving: dict[str, asyncio.Event] = {}
        self._return: asyncio.Task[None] | None = None
        breaker.on_close = self._redis_is_back

    async def __aenter__(self) -> "SplitDispatcher":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._return is not None:
            await asyncio.wait({self._return}, timeout=5)
            self._return.cancel()
        await self._stack.aclose()

    @property
    def refugees(self) -> int:
        """How many calls run here only because Redis was away."""
        return len(self._refugees)

    def is_local(self, call_sid: str) -> bool:
        """Whether the call runs in this process."""
        return call_sid in self._refugees or not uses_redis(call_sid, self._percent)

    async def adopt(self, state: ConversationState) -> None:
        """Carry a live call on in this process, from the last state of it that is known, until Redis is back."""
        if self.is_local(state.call_sid):
            return
        await self._memory.create_state(**state.model_dump())
        self._refugees.add(state.call_sid)
        self._adopted[state.call_sid] = state
        if not self._breaker.is_open:  # then nobody will say that Redis is back
            asyncio.get_running_loop().call_later(RETURN_SECONDS, self._redis_is_back)
        logger.warning("A live call goes on in memory", extra={"action": "call.adopted", "call_sid": state.call_sid})

    async def submit(self, turn: Turn, *, opening: Mapping[str, Any] | None = None, stream: bool = False) -> Pending:
        """Hand over `turn` where its call lives; see `Dispatcher`."""
        dispatcher = await self._dispatcher_of(turn.call_sid, begins=opening is not None)
        return await dispatcher.submit(turn, opening=opening, stream=stream)

    async def submit_by(
        self,
        turn: Turn,
        *,
        deadline_seconds: float = SUBMIT_DEADLINE_SECONDS,
        opening: Mapping[str, Any] | None = None,
        stream: bool = False,
    ) -> Pending:
        """Like `submit`, again and again over `StoreUnavailable` until the deadline."""
        return await until_deadline(lambda: self.submit(turn, opening=opening, stream=stream), deadline_seconds)

    async def waiting(self, call_sid: str) -> list[str]:
        """The ids of the call's turns that have no result yet; see `Dispatcher`."""
        return await (await self._dispatcher_of(call_sid, begins=False)).waiting(call_sid)

    async def find(self, call_sid: str, turn_id: str) -> Pending | None:
        """A turn that was submitted before; see `Dispatcher`."""
        return await (await self._dispatcher_of(call_sid, begins=False)).find(call_sid, turn_id)

    async def _dispatcher_of(self, call_sid: str, *, begins: bool) -> QueuedDispatcher | InProcessDispatcher:
        if (moving := self._moving.get(call_sid)) is not None:
            await asyncio.wait_for(moving.wait(), IDLE_SECONDS)
        if begins and self._breaker.is_open and self._breaker.given_up:
            self._refugees.add(call_sid)
        return await self._here() if self.is_local(call_sid) else self.remote

    async def _here(self) -> InProcessDispatcher:
        async with self._opening:
            if self._local is None:
                opened = await asyncio.to_thread(self._open_local)  # an agent's imports may take seconds
                self._local = await self._stack.enter_async_context(opened)
            return self._local

    def _redis_is_back(self) -> None:
        if self._refugees and (self._return is None or self._return.done()):
            self._return = asyncio.create_task(self._bring_back(), name="bring calls back")

    async def _bring_back(self) -> None:
        for call_sid in list(self._refugees):
            moved = self._moving[call_sid] = asyncio.Event()
            try:
                await self._bring_back_one(call_sid)
            except StoreUnavailable:
                if not self._breaker.is_open:  # else the breaker calls again
                    asyncio.get_running_loop().call_later(RETURN_SECONDS, self._redis_is_back)
                return
            except (StateConflict, TimeoutError):
                logger.error(
                    "A call could not be written back and stays in memory",
                    extra={"action": "call.stranded", "call_sid": call_sid},
                )
            finally:
                moved.set()
                del self._moving[call_sid]

    async def _bring_back_one(self, call_sid: str) -> None:
        if self._local is not None:
            await self._local.idle(call_sid, IDLE_SECONDS)
        state = await self._memory.get_state(call_sid)
        if state is not None:
            with self._breaker.guard():
                await write_back(self._states, state, self._adopted.get(call_sid))
            await self._memory.delete_state(call_sid)
            logger.info("A call was written back", extra={"action": "call.written_back", "call_sid": call_sid})
        self._refugees.discard(call_sid)
        self._adopted.pop(call_sid, None)
