"""Calls that run in this process because Redis is down, and how they are written back once it is up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

from orchestrator import error_logging
from orchestrator.conversation.state import ConversationState
from orchestrator.dispatch.local_events import LocalEvents
from orchestrator.dispatch.local_schedules import LocalSchedules
from orchestrator.errors import StateConflict, StoreUnavailable
from orchestrator.process_metrics import catalog
from orchestrator.redis.breaker import Breaker
from orchestrator.state.base import StateManagerBase
from orchestrator.state.write_back import write_back

logger = logging.getLogger(__name__)

IDLE_SECONDS = 60.0
RETURN_SECONDS = 1.0
"""The delay before calls are written back after an outage so short that the breaker stayed closed."""
CONCURRENT_WRITES = 16
"""How many calls are written back at the same time."""

Count = Callable[[str], Awaitable[None]]
"""Count a call, which was written back, for the limit of its tenant or route. Argument: the call SID."""
DropErased = Callable[[ConversationState], Awaitable[bool]]
"""If the call of this state was erased after it had begun, drop what this process has of it and return True."""
Idle = Callable[[str, float], Awaitable[None]]
"""Wait until no turn of the call runs here. Arguments: the call SID and a timeout in seconds. Raise TimeoutError."""


async def _never(_: ConversationState) -> bool:
    return False


class LocalCalls:
    """Calls that run in this process while Redis is down.

    `memory` holds their states; `states` is the shared store they are written back to. `events` has what happened in
    them meanwhile, `schedules` what they have scheduled. `count` counts each where the calls of all processes are
    counted. What was erased meanwhile is dropped by
    `drop_erased`, and not written back.
    """

    def __init__(
        self,
        *,
        states: StateManagerBase,
        memory: StateManagerBase,
        breaker: Breaker,
        idle: Idle,
        events: LocalEvents | None = None,
        schedules: LocalSchedules | None = None,
        count: Count | None = None,
        drop_erased: DropErased = _never,
        return_seconds: float = RETURN_SECONDS,
    ) -> None:
        self._states = states
        self._memory = memory
        self._breaker = breaker
        self._idle = idle
        self._events = events
        self._schedules = schedules
        self._count = count
        self._drop_erased = drop_erased
        self._return_seconds = return_seconds
        self._bases: dict[str, ConversationState | None] = {}
        self._returning: dict[str, asyncio.Task[bool]] = {}
        self._room = asyncio.Semaphore(CONCURRENT_WRITES)
        self._timer: asyncio.TimerHandle | None = None
        breaker.call_on_close(self.write_all_back)

    def __contains__(self, call_sid: str) -> bool:
        return call_sid in self._bases

    def __len__(self) -> int:
        return len(self._bases)

    async def add(self, call_sid: str, base: ConversationState | None = None) -> None:
        """Run the call here from now on: from `base`, its last known state, or as a new call without one."""
        if base is not None:
            await self._memory.create_state(**base.model_dump())
        self._bases.setdefault(call_sid, base)
        if not self._breaker.is_open:  # then the breaker will not report that Redis is up
            self._schedule()

    async def wait_returned(self, call_sid: str) -> None:
        """Wait until a write-back of the call that is under way has finished. Raise TimeoutError."""
        if (task := self._returning.get(call_sid)) is not None:
            async with asyncio.timeout(IDLE_SECONDS + 5):
                await asyncio.shield(task)

    def write_all_back(self) -> None:
        """Start to write all calls back: Redis seems to be up."""
        for call_sid in list(self._bases):
            self._start(call_sid)

    async def write_back(self, call_sid: str) -> bool:
        """Write this call back now, if it runs here. Return False if Redis refused it; it is retried then."""
        return call_sid not in self._bases or await asyncio.shield(self._start(call_sid))

    async def close(self, seconds: float = 5.0) -> None:
        """Wait up to `seconds` for the write-backs that are under way, then cancel them."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._returning.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()

    def _schedule(self) -> None:
        if self._timer is None or self._timer.when() < asyncio.get_running_loop().time():
            self._timer = asyncio.get_running_loop().call_later(self._return_seconds, self.write_all_back)

    def _start(self, call_sid: str) -> "asyncio.Task[bool]":
        task = self._returning.get(call_sid)
        if task is None:
            task = asyncio.create_task(self._try_to_write_back(call_sid), name=f"write back {call_sid}")
            self._returning[call_sid] = task
            task.add_done_callback(lambda _: self._returning.pop(call_sid, None))
        return task

    async def _try_to_write_back(self, call_sid: str) -> bool:
        """Return False if Redis refuses it. Any other failure is logged, and nobody need wait for the call: True."""
        extra = {"action": "call.write_back_failed", "call_sid": call_sid}
        try:
            async with self._room:
                with self._schedules.moving(call_sid) if self._schedules is not None else nullcontext():
                    await self._write_back_when_idle(call_sid)
        except StoreUnavailable:
            catalog.CALLS_WRITTEN_BACK.inc("failed")
            if not self._breaker.is_open:  # else the breaker reports when it is up
                self._schedule()
            return False
        except (StateConflict, TimeoutError) as error:
            catalog.CALLS_WRITTEN_BACK.inc("failed")
            logger.warning("A call cannot be written back yet and stays in memory: %r", error, extra=extra)
            self._schedule()
        except Exception as error:
            catalog.CALLS_WRITTEN_BACK.inc("failed")
            message = "A call cannot be written back and stays in memory; report this: %s"
            error_logging.log(logging.ERROR, logger, message, error=error, extra=extra)
        return True

    async def _write_back_when_idle(self, call_sid: str) -> None:
        written: ConversationState | None = None
        while True:
            await self._idle(call_sid, IDLE_SECONDS)
            state = await self._memory.get_state(call_sid)
            if state is not None and written is not None and state.version == written.version:
                break
            if state is not None and await self._drop_erased(state):
                await self._leave(call_sid)
                return
            if self._events is not None:
                with self._breaker.guard():
                    theirs = await self._states.get_confirmed_state(call_sid)
                await self._events.write_back(call_sid, state, theirs)
            merged = await self._write(call_sid, state)
            if state is None or merged is None:
                break
            if self._events is not None:
                await self._events.write_end(state, merged)
            self._bases[call_sid] = written = state  # only a turn that ran meanwhile is left to write
        if self._count is not None:
            await self._count(call_sid)
        await self._leave(call_sid)
        catalog.CALLS_WRITTEN_BACK.inc("written")
        logger.info("A call was written back", extra={"action": "call.written_back", "call_sid": call_sid})

    async def _leave(self, call_sid: str) -> None:
        """Forget the call: it has left this process."""
        await self._memory.delete_state(call_sid)
        self._bases.pop(call_sid, None)
        if self._events is not None:
            self._events.forget(call_sid)

    async def _write(self, call_sid: str, state: ConversationState | None) -> ConversationState | None:
        """Write the state, if the call has one here, and what it has scheduled. Return the state as it is written."""
        base, schedules, merged = self._bases.get(call_sid), self._schedules, None
        with self._breaker.guard():
            handed_over_at = await schedules.hand_over(call_sid, state) if schedules is not None else 0.0
            if state is not None:
                merged = await write_back(self._states, state, base)
                if schedules is not None:
                    await schedules.hand_over_changes(base, merged, handed_over_at)
        if schedules is not None:
            schedules.moved(call_sid)
        return merged
