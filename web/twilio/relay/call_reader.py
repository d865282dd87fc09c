"""Reads what is known of a call when a session begins, once no other ingress has the call."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from orchestrator.conversation.state import ConversationState
from orchestrator.dispatch.dispatcher import Dispatcher, TakeoverAttempt
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.retrying import until_deadline
from web.ingress import Ingress
from web.store_call import store_call

T = TypeVar("T")

Unanswered = list[tuple[str, PendingReply]]
"""Ids of turns without a result, each with the reply that it waits for."""


class CallReader:
    """Claims the call for this ingress before it reads, so that no other one changes the call afterwards.

    An access to the store, with its retries, may take `RelayTimeouts.store`.
    """

    def __init__(self, ingress: Ingress, call_sid: str) -> None:
        self._ingress = ingress
        self._call_sid = call_sid
        self._store_seconds = ingress.timeouts.relay.store
        self._claim = TakeoverAttempt()

    @property
    def _dispatcher(self) -> Dispatcher:
        return self._ingress.runtime.dispatcher

    @property
    def sent(self) -> str:
        """Return what the ingress that had the call says that it has sent to the caller; "" if it says nothing."""
        return self._claim.sent

    async def state(self) -> ConversationState | None:
        """Return the call's state; None for a new call.

        Raises `StoreUnavailable` after `RelayTimeouts.store`, or after twice that if the store hangs.
        """
        await self._claim_call()
        return await self._retry(self.current_state)

    async def unanswered_and_state(self) -> tuple[Unanswered, ConversationState | None]:
        """Return the turns without a result that an earlier session submitted, and the state.

        They are read in this order, so that a turn that settles in between is in both and not in neither. The state is
        confirmed by the replicas: a reply that a failover takes back would be produced again, and nobody would wait
        for it.

        Raises `StoreUnavailable` after `RelayTimeouts.store`, or after three times that if the store hangs.
        """
        await self._claim_call()
        unanswered = await self._retry(self._unanswered)
        confirmed = self._ingress.runtime.states.get_confirmed_state
        state = await self._retry(lambda: self._once(confirmed(self._call_sid)))
        return unanswered, state

    async def current_state(self) -> ConversationState | None:
        """Return the state in one attempt. Raises `StoreUnavailable`."""
        return await self._once(self._ingress.runtime.states.get_state(self._call_sid))

    async def find(self, turn_id: str) -> PendingReply | None:
        """Return the reply to a turn that was submitted, in one attempt; None if the store does not know the turn.

        Raises `StoreUnavailable`.
        """
        return await self._once(self._dispatcher.find(self._call_sid, turn_id))

    async def _claim_call(self) -> None:
        take_over = self._dispatcher.take_over
        await self._retry(lambda: self._once(take_over(self._call_sid, self._claim)))

    async def _unanswered(self) -> Unanswered:
        waiting = await self._once(self._dispatcher.waiting(self._call_sid))
        found = [(turn_id, await self.find(turn_id)) for turn_id in waiting]
        return [(turn_id, pending) for turn_id, pending in found if pending is not None]

    async def _once(self, access: Awaitable[T]) -> T:
        return await store_call(access, self._store_seconds)

    async def _retry(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await until_deadline(attempt, self._store_seconds)
