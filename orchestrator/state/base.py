"""`StateManagerBase`: where the states of calls are kept. Yours implements this class and nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from orchestrator.conversation.state import ConversationState


class StateManagerBase(ABC):
    """Stores `ConversationState`s. Safe to use from many tasks of one event loop.

    The contract is executable: `orchestrator.testing.state_manager_contract` holds the tests that every
    manager passes; import them into your own suite. A `call_sid` that breaks the rule of
    `orchestrator.conversation.call_sid` raises `BadCallSid` from every method that takes one. A store that cannot
    be reached raises `StoreUnavailable`.
    """

    @abstractmethod
    async def create_state(self, call_sid: str, **fields: Any) -> ConversationState:
        """Begin a call, with `version` 1, and return its state; a second create of a live call returns the first."""

    @abstractmethod
    async def get_state(self, call_sid: str) -> ConversationState | None:
        """The state, or None if there is none or its time ran out. A copy: changing it changes nothing stored."""

    async def get_confirmed_state(self, call_sid: str) -> ConversationState | None:
        """`get_state`, of what the store will not take back. Raises `StoreUnavailable` while that is not sure.

        Only a store that may lose what it has acknowledged needs its own: one whose replicas lag behind.
        """
        return await self.get_state(call_sid)

    @abstractmethod
    async def update_state(self, state: ConversationState) -> ConversationState:
        """Write `state` if its `version` is still the stored one; return it with the next version.

        Raises `StateConflict` when the stored version is another one, or the call is gone; nothing is
        written then. A write renews the time to live.
        """

    async def keep_alive(self, call_sids: Sequence[str], seconds: float) -> bool:
        """Let those of the calls that are active live for so many `seconds` from now, if they would not anyway.

        Nothing else changes, neither versions nor times in the states. False: this store cannot do that; then open
        calls are written again now and then, which renews their time.
        """
        return False

    @abstractmethod
    async def delete_state(self, call_sid: str) -> bool:
        """Forget the call and all that belongs to it; whether there was one."""

    @abstractmethod
    async def get_active_calls_count(self) -> int:
        """How many calls are active: begun, not ended, not expired."""

    @abstractmethod
    async def get_all_call_sids(self) -> list[str]:
        """The call SIDs of the active calls, in no order."""

    @abstractmethod
    async def health_check(self) -> bool:
        """Whether the store answers. Never raises."""

    @abstractmethod
    async def cleanup_expired(self) -> int:
        """Drop what expired calls left behind; how many calls that were."""

    @abstractmethod
    async def close(self) -> None:
        """Release connections. Closing twice is fine."""
