"""Two dispatchers as one: most calls go to workers through Redis, some run in this process.

A call runs here in three cases: `REDIS_ROLLOUT_PERCENT` leaves it in memory; Redis has been down since this process
started; or Redis went down during a relay call, whose socket is here (`run_locally`). Calls of the last two kinds are
written back once Redis is up, and continue through it. A webhook call whose state is in Redis never runs here: its next
webhook may arrive at another ingress, and the call would have two states.
"""

import logging
from collections.abc import Mapping
from typing import Any

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.call_listeners import CallListeners
from orchestrator.dispatch.dispatcher import TakeoverAttempt
from orchestrator.dispatch.hub import Pending
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.dispatch.local_calls import LocalCalls
from orchestrator.dispatch.on_demand import OnDemandDispatcher
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.errors import StoreUnavailable
from orchestrator.redis.breaker import Breaker
from orchestrator.routes.admission import Admission
from orchestrator.state.rollout import uses_redis
from orchestrator.turns.call_erasure import CallErasure
from orchestrator.turns.call_rates import NO_RATES, CallRates
from orchestrator.turns.memory_call_rates import MemoryCallRates

logger = logging.getLogger(__name__)


class SplitDispatcher:
    """A dispatcher that sends each call to `remote` or `local`. Its owner opens and closes both, and `local_calls`."""

    def __init__(
        self,
        remote: QueuedDispatcher,
        local: OnDemandDispatcher,
        local_calls: LocalCalls,
        *,
        breaker: Breaker,
        rollout_percent: float = 100,
        rates: CallRates = NO_RATES,
    ) -> None:
        self._remote = remote
        self._local = local
        self._local_calls = local_calls
        self._breaker = breaker
        self._percent = rollout_percent
        self._rates_here = MemoryCallRates(rates)

    @property
    def listeners(self) -> CallListeners:
        """Return who listens to calls, wherever these run; see `Dispatcher`."""
        return self._remote.listeners

    def is_local(self, call_sid: str) -> bool:
        """True if the call runs in this process."""
        return call_sid in self._local_calls or not uses_redis(call_sid, self._percent)

    async def run_locally(self, state: ConversationState) -> None:
        """Continue a live call in this process, from its last known state, until Redis is up."""
        if self.is_local(state.call_sid):
            return
        await self._local_calls.add(state.call_sid, state)
        if state.timers:
            await (await self._local.open()).run_locally(state)
        logger.warning(
            "A live call continues in memory", extra={"action": "call.local_fallback", "call_sid": state.call_sid}
        )

    async def submit(
        self,
        turn: Turn,
        *,
        opening: Mapping[str, Any] | None = None,
        stream: bool = False,
        admission: Admission | None = None,
    ) -> Pending:
        """Store `turn` where its call runs; see `Dispatcher`."""
        dispatcher: QueuedDispatcher | InProcessDispatcher = self._remote
        if self._local_calls or self._breaker.is_open or self._percent < 100:  # else no call runs here
            dispatcher = await self._dispatcher_of(turn.call_sid, begins=opening is not None)
        return await dispatcher.submit(turn, opening=opening, stream=stream, admission=admission)

    async def accept(self, state: ConversationState, admission: Admission | None = None) -> None:
        """Tell that a call is accepted whose state was created without a turn; see `Dispatcher`."""
        await (await self._dispatcher_of(state.call_sid, begins=False)).accept(state, admission)

    async def has_room(self, admission: Admission) -> bool:
        """Return whether another call may begin with this `admission`; see `Dispatcher`."""
        return await self._remote.has_room(admission)

    async def check_destination(self, number: str, order: str) -> None:
        """Count a call that is to be placed, in this process while Redis is down; see `Dispatcher`."""
        try:
            await self._remote.check_destination(number, order)
        except StoreUnavailable:
            self._rates_here.check_destination(number, order)

    async def waiting(self, call_sid: str) -> list[str]:
        """Return the ids of the call's turns that have no result yet; see `Dispatcher`."""
        return await (await self._dispatcher_of(call_sid, begins=False)).waiting(call_sid)

    async def find(self, call_sid: str, turn_id: str) -> Pending | None:
        """Return a turn that was submitted before; see `Dispatcher`."""
        return await (await self._dispatcher_of(call_sid, begins=False)).find(call_sid, turn_id)

    async def erase(self, call_sid: str) -> None:
        """Delete all turns of a call, wherever it ran; see `Dispatcher`."""
        if self._local.opened is not None:
            await self._local.opened.erase(call_sid)
        await self._remote.erase(call_sid)

    def erasures(self, call_sid: str) -> tuple[CallErasure, ...]:
        """Return what erases the call, wherever it ran; see `Dispatcher`."""
        opened = self._local.opened
        here = () if opened is None else opened.erasures(call_sid)
        there = self._remote.erasures(call_sid)
        return there + here if uses_redis(call_sid, self._percent) else here + there

    async def is_erased(self, call_sid: str) -> bool:
        """True if the call was erased within the last day."""
        return await (await self._dispatcher_of(call_sid, begins=False)).is_erased(call_sid)

    async def take_over(self, call_sid: str, attempt: TakeoverAttempt) -> None:
        """Become the one ingress that has the call; see `Dispatcher`."""
        if not self.is_local(call_sid):
            await self._remote.takeover.take_over(call_sid, attempt)

    async def _dispatcher_of(self, call_sid: str, *, begins: bool) -> QueuedDispatcher | InProcessDispatcher:
        await self._local_calls.wait_returned(call_sid)
        if begins and self._breaker.is_open and self._breaker.start_timed_out:
            await self._local_calls.add(call_sid)
        return await self._local.open() if self.is_local(call_sid) else self._remote
