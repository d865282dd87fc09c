"""`StateManagerBase`: stores the states of calls. A manager of your own implements this class and nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from orchestrator.conversation.state import ConversationState
from orchestrator.state.call_feed import CallFeed, ListedCalls


class StateManagerBase(ABC):
    """Stores `ConversationState`s. Safe to use from many tasks of one event loop.

    The contract is executable: `orchestrator.testing.state_manager_contract` holds the tests that every
    manager passes; import them into your own suite. A `call_sid` that breaks the rule of
    `orchestrator.conversation.call_sid` raises `BadCallSid` from every method that takes one. A store that cannot
    be reached raises `StoreUnavailable`.
    """

    @abstractmethod
    async def create_state(self, call_sid: str, **fields: Any) -> ConversationState:
        """Begin a call, with `version` 1, and return its state. If the call is live already, return its state."""

    @abstractmethod
    async def get_state(self, call_sid: str) -> ConversationState | None:
        """Return a copy of the state, or None if there is none or it has expired."""

    async def get_confirmed_state(self, call_sid: str) -> ConversationState | None:
        """Return the state as `get_state` does, but only what the store will not lose. Raise `StoreUnavailable` until
        then.

        Override it only for a store that may lose acknowledged writes, as one whose replicas lag behind may.
        """
        return await self.get_state(call_sid)

    @abstractmethod
    async def update_state(self, state: ConversationState) -> ConversationState:
        """Write `state` if its `version` is still the stored one; return it with the next version.

        Raises `StateConflict` when the stored version is another one, or the call is gone; nothing is
        written then. A write renews the time to live.
        """

    async def keep_alive(self, call_sids: Sequence[str], seconds: float) -> bool:
        """Extend the time to live of the active ones of these calls to at least `seconds` from now. Return True.

        Nothing else changes, neither versions nor times in the states. Return False if the store cannot do that: open
        calls are then written again now and then, which renews their time to live.
        """
        return False

    @abstractmethod
    async def delete_state(self, call_sid: str) -> bool:
        """Delete the call and all that belongs to it. Return whether there was one."""

    @abstractmethod
    async def get_active_calls_count(self) -> int:
        """Return how many calls are active: begun, not ended, not expired."""

    @abstractmethod
    async def get_all_call_sids(self) -> list[str]:
        """Return the call SIDs of the active calls, in any order."""

    def follow_calls(self) -> CallFeed:
        """Return what tells a reader which active calls have changed since it looked last.

        Override it only for a store that knows which calls were written: this one lists all calls each time.
        """
        return ListedCalls(self.get_all_call_sids)

    @abstractmethod
    async def health_check(self) -> bool:
        """True if the store answers. Never raises."""

    @abstractmethod
    async def cleanup_expired(self) -> int:
        """Delete what expired calls left behind. Return how many calls that were."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections. May be called twice."""
