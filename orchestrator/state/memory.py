"""States in the memory of this process: for development, for tests, and while Redis is down."""

import heapq
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.clock import utc_now
from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StateConflict
from orchestrator.state.base import StateManagerBase
from orchestrator.state.call_feed import CallFeed, FeedPage, MarkedCalls


@dataclass(frozen=True, slots=True)
class _Entry:
    version: int
    is_active: bool
    expires_at: float
    json: str
    write: int
    """The number of the write among all of this manager."""


class InMemoryStateManager(StateManagerBase):
    """Keeps states as JSON, as Redis would: changing a returned state changes nothing stored, and what JSON cannot hold
    is lost here as well. `clock` counts seconds and is monotonic. Not shared between processes."""

    def __init__(
        self,
        ttl_seconds: float = 3600,
        *,
        ended_ttl_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._ended_ttl_seconds = ttl_seconds if ended_ttl_seconds is None else ended_ttl_seconds
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # in the order of the last write
        # When each call may expire, at the earliest: its entry has the exact time.
        self._expiries: list[tuple[float, str]] = []
        self._active: set[str] = set()
        self._expired = 0
        self._writes = 0

    async def create_state(self, call_sid: str, **fields: Any) -> ConversationState:
        """Begin a call, or return the state of the live one."""
        checked_call_sid(call_sid)
        self._drop_expired()
        if entry := self._entries.get(call_sid):
            return ConversationState.model_validate_json(entry.json)
        state = ConversationState(**{**fields, "call_sid": call_sid, "version": 1})
        self._store(state)
        return state

    async def get_state(self, call_sid: str) -> ConversationState | None:
        """Return a copy of the state, or None."""
        checked_call_sid(call_sid)
        self._drop_expired()
        entry = self._entries.get(call_sid)
        return None if entry is None else ConversationState.model_validate_json(entry.json)

    async def update_state(self, state: ConversationState) -> ConversationState:
        """Write by compare-and-set. Return the state with the next version; the given one is not changed."""
        checked_call_sid(state.call_sid)
        self._drop_expired()
        entry = self._entries.get(state.call_sid)
        if entry is None or entry.version != state.version:
            raise StateConflict
        written = state.model_copy(update={"version": state.version + 1, "updated_at": utc_now()})
        self._store(written)
        return written

    async def keep_alive(self, call_sids: Sequence[str], seconds: float) -> bool:
        """Extend the time to live of active calls to at least `seconds` from now."""
        self._drop_expired()
        until = self._clock() + seconds
        for call_sid in call_sids:
            entry = self._entries.get(checked_call_sid(call_sid))
            if entry is not None and entry.is_active and entry.expires_at < until:
                self._entries[call_sid] = replace(entry, expires_at=until)
        return True

    async def expiring(self, within_seconds: float) -> list[tuple[str, float]]:
        """Return the active calls that expire within `within_seconds`, each with the seconds until then."""
        self._drop_expired()
        now_ = self._clock()
        left = ((call_sid, self._entries[call_sid].expires_at - now_) for call_sid in self._active)
        return [(call_sid, seconds) for call_sid, seconds in left if seconds <= within_seconds]

    async def delete_state(self, call_sid: str) -> bool:
        """Delete the call. Return whether there was one."""
        checked_call_sid(call_sid)
        self._drop_expired()
        self._active.discard(call_sid)
        return self._entries.pop(call_sid, None) is not None

    async def get_active_calls_count(self) -> int:
        """Return how many calls are active."""
        self._drop_expired()
        return len(self._active)

    async def get_all_call_sids(self) -> list[str]:
        """Return the call SIDs of the active calls, in the order of the last write."""
        self._drop_expired()
        return [call_sid for call_sid in self._entries if call_sid in self._active]

    def follow_calls(self) -> CallFeed:
        """Return what follows the active calls: each write has a number."""
        return _MemoryCallFeed(self)

    def written_since(self, write: int) -> dict[str, float]:
        """Return the active calls that were written after the write of this number, the latest first, each with the
        number of its last write."""
        self._drop_expired()
        found: dict[str, float] = {}
        for call_sid, entry in reversed(self._entries.items()):
            if entry.write <= write:
                break
            if entry.is_active:
                found[call_sid] = entry.write
        return found

    def is_followed(self, call_sid: str) -> bool:
        """True if the call is active."""
        return call_sid in self._active

    async def health_check(self) -> bool:
        """Return True."""
        return True

    async def cleanup_expired(self) -> int:
        """Return how many calls have expired since the last cleanup; their states are deleted already."""
        self._drop_expired()
        expired, self._expired = self._expired, 0
        return expired

    async def close(self) -> None:
        """Do nothing: there are no connections, and the states stay readable."""

    def _store(self, state: ConversationState) -> None:
        expires_at = self._clock() + (self._ttl_seconds if state.is_active else self._ended_ttl_seconds)
        sid = state.call_sid
        before = self._entries.get(sid)
        self._writes += 1
        self._entries[sid] = _Entry(state.version, state.is_active, expires_at, state.model_dump_json(), self._writes)
        self._entries.move_to_end(sid)
        if before is None or expires_at < before.expires_at:
            heapq.heappush(self._expiries, (expires_at, sid))
        if state.is_active:
            self._active.add(sid)
        else:
            self._active.discard(sid)

    def _drop_expired(self) -> None:
        now_ = self._clock()
        while self._expiries and self._expiries[0][0] <= now_:
            _, call_sid = heapq.heappop(self._expiries)
            entry = self._entries.get(call_sid)
            if entry is None:
                continue
            if entry.expires_at > now_:
                heapq.heappush(self._expiries, (entry.expires_at, call_sid))
                continue
            del self._entries[call_sid]
            self._active.discard(call_sid)
            self._expired += 1


class _MemoryCallFeed:
    """A `CallFeed` of the calls of this process."""

    def __init__(self, states: InMemoryStateManager) -> None:
        self._states = states
        self._marks = MarkedCalls()
        self._latest = 0

    async def read(self, most: int) -> FeedPage:
        """Return what has changed; see `CallFeed`."""
        active = await self._states.get_active_calls_count()
        gone = self._marks.drop([sid for sid in self._marks.call_sids if not self._states.is_followed(sid)])
        marks = self._states.written_since(self._latest)
        self._latest = max([self._latest, *map(int, marks.values())])
        written, excess = self._marks.some(marks, most)
        return FeedPage(written, [*gone, *excess], active)
