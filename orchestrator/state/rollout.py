"""States in Redis for a percentage of the calls, chosen by call SID: for moving to Redis step by step."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.state import ConversationState
from orchestrator.state.base import StateManagerBase
from orchestrator.state.call_feed import CallFeed, JoinedFeeds

_STEPS = 10_000


def uses_redis(call_sid: str, percent: float) -> bool:
    """True if this call is among the `percent` (0 to 100) whose state is in Redis.

    Every process and every version gives the same answer. A call that is among one percentage is among any higher one.
    """
    if percent >= 100:
        return True
    digest = hashlib.sha256(call_sid.encode()).digest()
    return int.from_bytes(digest[:8]) % _STEPS < percent * (_STEPS / 100)


class RolloutStateManager(StateManagerBase):
    """Two managers as one: `redis` has `percent` of the calls, `memory` the others.

    `in_memory` decides instead of the percentage, if it is given: calls may move then.
    """

    def __init__(
        self,
        redis: StateManagerBase,
        memory: StateManagerBase,
        percent: float,
        *,
        in_memory: Callable[[str], bool] | None = None,
    ) -> None:
        self._redis = redis
        self._memory = memory
        self._in_memory = in_memory or (lambda call_sid: not uses_redis(call_sid, percent))

    async def create_state(self, call_sid: str, **fields: Any) -> ConversationState:
        """Begin a call in its manager."""
        return await self._manager_of(call_sid).create_state(call_sid, **fields)

    async def get_state(self, call_sid: str) -> ConversationState | None:
        """Return the state, or None."""
        return await self._manager_of(call_sid).get_state(call_sid)

    async def get_confirmed_state(self, call_sid: str) -> ConversationState | None:
        """Return the state, once its store will not lose it, or None."""
        return await self._manager_of(call_sid).get_confirmed_state(call_sid)

    async def update_state(self, state: ConversationState) -> ConversationState:
        """Write by compare-and-set."""
        return await self._manager_of(state.call_sid).update_state(state)

    async def keep_alive(self, call_sids: Sequence[str], seconds: float) -> bool:
        """Extend the time to live of calls, each in its manager. Return whether both managers can."""
        here = [call_sid for call_sid in call_sids if self._in_memory(checked_call_sid(call_sid))]
        there = [call_sid for call_sid in call_sids if call_sid not in here]
        can_here = not here or await self._memory.keep_alive(here, seconds)
        return (not there or await self._redis.keep_alive(there, seconds)) and can_here

    async def delete_state(self, call_sid: str) -> bool:
        """Delete the call. Return whether there was one."""
        return await self._manager_of(call_sid).delete_state(call_sid)

    async def get_active_calls_count(self) -> int:
        """Return how many calls are active in both managers together."""
        return await self._redis.get_active_calls_count() + await self._memory.get_active_calls_count()

    async def get_all_call_sids(self) -> list[str]:
        """Return the call SIDs of the active calls in both managers."""
        return [*await self._redis.get_all_call_sids(), *await self._memory.get_all_call_sids()]

    def follow_calls(self) -> CallFeed:
        """Return what follows the calls in both managers."""
        return JoinedFeeds(self._redis.follow_calls(), self._memory.follow_calls())

    async def health_check(self) -> bool:
        """True if both managers answer."""
        return await self._redis.health_check() and await self._memory.health_check()

    async def cleanup_expired(self) -> int:
        """Delete what expired calls left behind in both managers."""
        return await self._redis.cleanup_expired() + await self._memory.cleanup_expired()

    async def close(self) -> None:
        """Close both, the second one even if the first fails."""
        try:
            await self._redis.close()
        finally:
            await self._memory.close()

    def _manager_of(self, call_sid: str) -> StateManagerBase:
        return self._memory if self._in_memory(checked_call_sid(call_sid)) else self._redis
