"""States in Redis: the guide's layout, one round trip an operation."""

import logging
from collections.abc import Awaitable
from typing import Any, cast

from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import now
from orchestrator.errors import StateConflict, StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.scripts import lua
from orchestrator.redis.wire import WiredScript, command_of
from orchestrator.settings import LONGEST_TTL_SECONDS
from orchestrator.state.base import StateManagerBase
from orchestrator.state.reading import read_state

logger = logging.getLogger(__name__)

_PAGE = 500
"""How many calls `cleanup_expired` looks at in one round trip."""


class RedisStateManager(StateManagerBase):
    """Keeps each state under `voiceagent:state:{call_sid}`, as its `model_dump_json()`.

    It lives for `ttl_seconds` after the last write. The active calls stand in a sorted set as well, so that
    counting never scans.

    `redis_client` may decode responses or not. It stays the caller's, but `close` closes it.
    """

    def __init__(self, redis_client: Redis, ttl_seconds: float = 3600) -> None:
        if isinstance(redis_client, BlockingRedis):
            raise TypeError("This client would block the event loop. Make it with redis.asyncio, not with redis.")
        if not 0.001 <= ttl_seconds <= LONGEST_TTL_SECONDS:
            raise ValueError(f"ttl_seconds is {ttl_seconds}; it wants 0.001 to {LONGEST_TTL_SECONDS}")
        self._redis = redis_client
        self._command = command_of(redis_client)
        self._life_ms = int(ttl_seconds * 1000)
        self._create = WiredScript(redis_client, lua("state_create"))
        self._update = WiredScript(redis_client, lua("state_update"))
        self._delete = WiredScript(redis_client, lua("state_delete"))
        self._count = WiredScript(redis_client, lua("state_count"))
        self._list = WiredScript(redis_client, lua("state_list"))
        self._prune = WiredScript(redis_client, lua("state_prune"))
        self._forget = WiredScript(redis_client, lua("state_forget"))

    async def create_state(self, call_sid: str, **fields: Any) -> ConversationState:
        """Begin a call, or return the state of the live one."""
        key = keys.state(checked_call_sid(call_sid))
        state = ConversationState(**{**fields, "call_sid": call_sid, "version": 1})
        with store_errors():
            there = await self._create(keys=[key, keys.ACTIVE_CALLS], args=self._row(state))
        if there:
            return read_state(call_sid, there)
        logger.info("Created conversation state in Redis", extra={"action": "state.created", "call_sid": call_sid})
        return state

    async def get_state(self, call_sid: str) -> ConversationState | None:
        """The state, or None."""
        key = keys.state(checked_call_sid(call_sid))
        with store_errors():
            text = await self._command("GET", key)
        return None if text is None else read_state(call_sid, text)

    async def update_state(self, state: ConversationState) -> ConversationState:
        """Write by compare-and-set. The given state keeps its version; the one returned has the next.

        Repeating it after `StoreUnavailable` is safe: the worst is a `StateConflict` with one's own write.
        """
        key = keys.state(checked_call_sid(state.call_sid))
        written = state.model_copy(update={"version": state.version + 1, "updated_at": now()})
        with store_errors():
            stored = await self._update(keys=[key, keys.ACTIVE_CALLS], args=[*self._row(written), state.version])
        if stored != state.version:
            raise StateConflict
        return written

    async def delete_state(self, call_sid: str) -> bool:
        """Forget the call and its waiting turns; whether there was one."""
        call = keys.call(checked_call_sid(call_sid))
        own = [call.state, call.inbox, call.turns, call.listeners, call.lease]
        with store_errors():
            return bool(await self._delete(keys=[*own, keys.ACTIVE_CALLS, keys.DUE], args=[call_sid]))

    async def get_active_calls_count(self) -> int:
        """How many calls are active, by the server's clock."""
        with store_errors():
            return int(await self._count(keys=[keys.ACTIVE_CALLS]))

    async def get_all_call_sids(self) -> list[str]:
        """The call SIDs of the active calls, by the server's clock."""
        with store_errors():
            return [_text(sid) for sid in await self._list(keys=[keys.ACTIVE_CALLS])]

    async def health_check(self) -> bool:
        """Whether Redis answers a PING."""
        try:
            with store_errors():
                return bool(await cast(Awaitable[bool], self._redis.ping()))
        except StoreUnavailable:
            return False

    async def cleanup_expired(self) -> int:
        """Take expired calls off the index, and those whose state somebody deleted by hand; how many.

        A few round trips; what else belongs to a call expires by itself.
        """
        with store_errors():
            dropped = int(await self._prune(keys=[keys.ACTIVE_CALLS]))
            start = 0
            while page := await self._redis.zrange(keys.ACTIVE_CALLS, start, start + _PAGE - 1, withscores=True):
                gone = await self._forget_missing([(_text(sid), score) for sid, score in page])
                dropped += gone
                start += len(page) - gone
        return dropped

    async def close(self) -> None:
        """Close the client's connections."""
        await self._redis.aclose()

    async def _forget_missing(self, page: list[tuple[str, float]]) -> int:
        # One EXISTS a key: in a cluster, the keys of different calls lie on different nodes.
        pipeline = self._redis.pipeline(transaction=False)
        for call_sid, _ in page:
            pipeline.exists(keys.state(call_sid))
        found = await pipeline.execute()
        missing = [row for row, exists in zip(page, found, strict=True) if not exists]
        if not missing:
            return 0
        args = [part for call_sid, score in missing for part in (call_sid, repr(score))]
        return int(await self._forget(keys=[keys.ACTIVE_CALLS], args=args))

    def _row(self, state: ConversationState) -> list[Any]:
        return [state.call_sid, state.model_dump_json(), self._life_ms, int(state.is_active)]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
