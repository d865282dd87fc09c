"""Submits turns to a turn store and waits for their replies at the hub."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from orchestrator import tracing
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.call_listeners import CallListeners
from orchestrator.dispatch.hub import Pending, ReplyHub
from orchestrator.routes.admission import Admission
from orchestrator.turns.call_erasure import CallErasure
from orchestrator.turns.store import TurnStore


class StoreDispatcher:
    """The part of `Dispatcher` that is the same wherever turns run: `store` keeps them, `hub` gets their replies."""

    def __init__(self, store: TurnStore, hub: ReplyHub) -> None:
        self.store = store
        self.hub = hub

    @property
    def listeners(self) -> CallListeners:
        """Return who listens to calls; see `Dispatcher`."""
        return self.hub.listeners

    async def submit(
        self,
        turn: Turn,
        *,
        opening: Mapping[str, Any] | None = None,
        stream: bool = False,
        admission: Admission | None = None,
    ) -> Pending:
        """Store `turn`; see `Dispatcher`."""
        # Registered before it is stored: the reply may arrive before the answer of the store.
        pending = self.hub.pending(turn.call_sid, turn.turn_id)
        pending.turn = turn
        if pending.result is None:
            submission = tracing.submission(turn)
            stored = turn if submission is None else submission.turn
            submit = partial(self.store.submit, stored, opening=opening, stream=stream, admission=admission)
            recorded = await (submit() if submission is None else submission.store(submit, pending))
            if recorded is not None:
                pending.record(recorded)
            pending.submit_again = submit
        return pending

    async def accept(self, state: ConversationState, admission: Admission | None = None) -> None:
        """Tell that a call is accepted whose state was created without a turn; see `Dispatcher`."""
        await self.store.accept(state, admission)

    async def has_room(self, admission: Admission) -> bool:
        """Return whether another call may begin with this `admission`."""
        return await self.store.has_room(admission)

    async def check_destination(self, number: str, order: str) -> None:
        """Count a call that is to be placed; see `Dispatcher`."""
        await self.store.check_destination(number, order)

    async def waiting(self, call_sid: str) -> list[str]:
        """Return the ids of the call's turns that have no result yet, in order."""
        return await self.store.waiting(call_sid)

    async def erase(self, call_sid: str) -> None:
        """Delete all turns of a call; see `Dispatcher`."""
        await self.store.erase(call_sid)

    def erasures(self, call_sid: str) -> tuple[CallErasure, ...]:
        """Return what erases the call, wherever it ran; see `Dispatcher`."""
        return (self.store.erasure,)

    async def is_erased(self, call_sid: str) -> bool:
        """True if the call was erased within the last day."""
        return await self.store.is_erased(call_sid)

    async def find(self, call_sid: str, turn_id: str) -> Pending | None:
        """Return a turn that was submitted before, here or elsewhere; see `Dispatcher`."""
        pending = self.hub.pending(call_sid, turn_id)
        if pending.result is None:
            found = await self.store.find(call_sid, turn_id)
            if found is None:
                return None
            if isinstance(found, TurnResult):
                pending.record(found)
            elif pending.turn is None:
                pending.turn = found.turn
        return pending
