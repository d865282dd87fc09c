"""Calls that run in this process only because Redis was away, and their way back when it is there again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from orchestrator import faults
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StateConflict, StoreUnavailable
from orchestrator.redis.breaker import Breaker
from orchestrator.state.base import StateManagerBase
from orchestrator.state.write_back import write_back

logger = logging.getLogger(__name__)

IDLE_SECONDS = 60.0
RETURN_SECONDS = 1.0
"""How soon a call is brought back where Redis was away too briefly for the breaker to notice."""
AT_ONCE = 16
"""How many calls are brought back side by side."""

Idle = Callable[[str, float], Awaitable[None]]
"""Waits until no turn of the call runs here, for so many seconds at most. Raises TimeoutError."""


class Refugees:
    """The calls that took refuge here. `memory` holds their states meanwhile, `states` is where those belong."""

    def __init__(self, *, states: StateManagerBase, memory: StateManagerBase, breaker: Breaker, idle: Idle) -> None:
        self._states = states
        self._memory = memory
        self._breaker = breaker
        self._idle = idle
        self._bases: dict[str, ConversationState | None] = {}
        self._returning: dict[str, asyncio.Task[bool]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._timer: asyncio.TimerHandle | None = None
        breaker.on_close = self.bring_all_back

    def __contains__(self, call_sid: str) -> bool:
        return call_sid in self._bases

    def __len__(self) -> int:
        return len(self._bases)

    async def take_in(self, call_sid: str, base: ConversationState | None = None) -> None:
        """The call runs here from now on: from `base`, its last known state, or from its beginning."""
        if base is not None:
            await self._memory.create_state(**base.model_dump())
        self._bases.setdefault(call_sid, base)
        if not self._breaker.is_open:  # then nobody will say that Redis is back
            self._later()

    async def at_rest(self, call_sid: str) -> None:
        """Wait while the call is on its way back. Raises TimeoutError."""
        if (task := self._returning.get(call_sid)) is not None:
            async with asyncio.timeout(IDLE_SECONDS + 5):
                await asyncio.shield(task)

    def bring_all_back(self) -> None:
        """Redis is there again, it seems."""
        for call_sid in list(self._bases):
            self._start(call_sid)

    async def bring_back(self, call_sid: str) -> bool:
        """This one call, at once, if it is here. False: Redis did not take it, and it is tried again."""
        return call_sid not in self._bases or await asyncio.shield(self._start(call_sid))

    async def close(self, seconds: float = 5.0) -> None:
        """Let those come home that are on their way."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._returning.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()

    def _later(self) -> None:
        if self._timer is None or self._timer.when() < asyncio.get_running_loop().time():
            self._timer = asyncio.get_running_loop().call_later(RETURN_SECONDS, self.bring_all_back)

    def _start(self, call_sid: str) -> "asyncio.Task[bool]":
        task = self._returning.get(call_sid)
        if task is None:
            task = asyncio.create_task(self._return(call_sid), name=f"bring back {call_sid}")
            self._returning[call_sid] = task
            task.add_done_callback(lambda _: self._returning.pop(call_sid, None))
        return task

    async def _return(self, call_sid: str) -> bool:
        """False if Redis does not take it. What else went wrong is no reason to wait for it."""
        extra = {"action": "call.write_back_failed", "call_sid": call_sid}
        try:
            async with self._room:
                await self._write_back(call_sid)
        except StoreUnavailable:
            if not self._breaker.is_open:  # else the breaker calls again
                self._later()
            return False
        except (StateConflict, TimeoutError) as error:
            logger.warning("A call cannot be written back yet and stays in memory: %r", error, extra=extra)
            self._later()
        except Exception as error:
            message = "A call cannot be written back and stays in memory; report this: %s"
            faults.log(logging.ERROR, logger, message, error=error, extra=extra)
        return True

    async def _write_back(self, call_sid: str) -> None:
        written: ConversationState | None = None
        while True:
            await self._idle(call_sid, IDLE_SECONDS)
            state = await self._memory.get_state(call_sid)
            if state is None or (written is not None and state.version == written.version):
                break
            with self._breaker.guard():
                await write_back(self._states, state, self._bases.get(call_sid))
            self._bases[call_sid] = written = state  # a turn that came meanwhile is what is still to be written
        await self._memory.delete_state(call_sid)
        self._bases.pop(call_sid, None)
        logger.info("A call was written back", extra={"action": "call.written_back", "call_sid": call_sid})
