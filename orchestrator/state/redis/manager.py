"""States in Redis: one round trip for each operation."""

import asyncio
import logging
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from orchestrator.clock import utc_now
from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StateConflict, StoreDamaged, StoreUnavailable, UnreadableState
from orchestrator.redis import keys
from orchestrator.redis.ciphers import cipher_of
from orchestrator.redis.commands import sender_for
from orchestrator.redis.errors import store_errors
from orchestrator.redis.replicas import Replicas, ReplicaWait
from orchestrator.redis.script_call import ScriptCall
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.settings import LONGEST_TTL_SECONDS
from orchestrator.state.base import StateManagerBase
from orchestrator.state.call_feed import CallFeed
from orchestrator.state.redis import scripts
from orchestrator.state.redis.index import CallIndex
from orchestrator.state.redis.sealed_states import opened_state, sealed_state

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_AT_ONCE = 100
"""For how many calls `keep_alive` works at the same time."""


@contextmanager
def _state_errors(call_sid: str) -> Iterator[None]:
    """`store_errors` for access to a state: if its key does not hold a string, the state is unreadable."""
    try:
        with store_errors():
            yield
    except StoreDamaged:
        logger.error(
            "The state of a call cannot be read: its key holds no string",
            extra={"action": "state.unreadable", "call_sid": call_sid},
        )
        raise UnreadableState from None


class RedisStateManager(StateManagerBase):
    """Keeps each state under `voiceagent:state:{call_sid}`, as its `model_dump_json()`, encrypted if the client was
    connected with encryption keys.

    A state lives for `ttl_seconds` after the last write, that of an ended call for `ended_ttl_seconds` (default: the
    same). The active calls are in a sorted set as well, so that counting never scans. In a cluster there are several of
    these sets, each on one node, and changing them takes a second round trip.

    `redis_client` may decode responses or not. It stays the caller's, but `close` closes it. `shards` replaces the
    shards that fit the client's Redis. With `wait`, `create_state` and `update_state` return once replicas have
    confirmed the write, and raise `StoreUnconfirmed` if they do not.
    """

    def __init__(
        self,
        redis_client: Redis,
        ttl_seconds: float = 3600,
        *,
        ended_ttl_seconds: float | None = None,
        shards: tuple[keys.ShardKeys, ...] | None = None,
        wait: ReplicaWait | None = None,
    ) -> None:
        if isinstance(redis_client, BlockingRedis):
            raise TypeError("This client would block the event loop. Make it with redis.asyncio, not with redis.")
        ended = ttl_seconds if ended_ttl_seconds is None else ended_ttl_seconds
        for name, seconds in {"ttl_seconds": ttl_seconds, "ended_ttl_seconds": ended}.items():
            if not 0.001 <= seconds <= LONGEST_TTL_SECONDS:
                raise ValueError(f"{name} is {seconds}; it must be 0.001 to {LONGEST_TTL_SECONDS}")
        self._redis = redis_client
        self._cipher = cipher_of(redis_client)
        self._command = sender_for(redis_client)
        self._life_ms = int(ttl_seconds * 1000)
        self._ended_ms = int(ended * 1000)
        self._replicas = Replicas(redis_client, wait)
        self._scripts = ScriptRunner(redis_client)
        self._index = CallIndex(redis_client, self._life_ms, shards)

    async def create_state(self, call_sid: str, **fields: Any) -> ConversationState:
        """Begin a call, or return the state of the live one."""
        checked_call_sid(call_sid)
        state = ConversationState(**{**fields, "call_sid": call_sid, "version": 1})
        with _state_errors(call_sid):
            await self._index.before_create(call_sid, is_active=state.is_active)
            there = await self._confirmed(
                scripts.create_state(
                    call_sid=call_sid,
                    state_json=self._stored(state),
                    life_ms=self._kept_ms(state),
                    is_active=state.is_active,
                    shard=self._index.shard_with_state(call_sid),
                )
            )
        if there:
            found = opened_state(self._cipher, call_sid, there)
            with store_errors():
                await self._index.after_write(call_sid, is_active=found.is_active)
            return found
        logger.info("Created conversation state in Redis", extra={"action": "state.created", "call_sid": call_sid})
        return state

    async def get_state(self, call_sid: str) -> ConversationState | None:
        """Return the state, or None."""
        key = keys.state(checked_call_sid(call_sid))
        with _state_errors(call_sid):
            text = await self._command("GET", key)
        return None if text is None else opened_state(self._cipher, call_sid, text)

    async def get_confirmed_state(self, call_sid: str) -> ConversationState | None:
        """Return the state, once replicas have confirmed it, or None."""
        if self._replicas.wait is None:
            return await self.get_state(call_sid)
        key = keys.state(checked_call_sid(call_sid))
        with _state_errors(call_sid):
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.get(key)
                self._replicas.confirm(pipe, key)
                answers = await pipe.execute()
        self._replicas.check(answers)
        return None if answers[0] is None else opened_state(self._cipher, call_sid, answers[0])

    async def update_state(self, state: ConversationState) -> ConversationState:
        """Write by compare-and-set. Return the state with the next version; the given one is not changed.

        Repeating it after `StoreUnavailable` is safe: at worst it raises `StateConflict` over its own first write.
        """
        checked_call_sid(state.call_sid)
        written = state.model_copy(update={"version": state.version + 1, "updated_at": utc_now()})
        writing = scripts.update_state(
            call_sid=state.call_sid,
            state_json=self._stored(written),
            life_ms=self._kept_ms(written),
            is_active=written.is_active,
            expected=state.version,
            shard=self._index.shard_with_state(state.call_sid),
        )
        with _state_errors(state.call_sid):
            if not await self._confirmed(writing):
                raise StateConflict
            await self._index.after_write(state.call_sid, is_active=written.is_active)
        return written

    async def keep_alive(self, call_sids: Sequence[str], seconds: float) -> bool:
        """Extend the time to live of active calls to at least `seconds` from now."""
        for first in range(0, len(call_sids), KEPT_AT_ONCE):
            some = [checked_call_sid(call_sid) for call_sid in call_sids[first : first + KEPT_AT_ONCE]]
            with store_errors():
                await asyncio.gather(*(self._keep_one(call_sid, int(seconds * 1000)) for call_sid in some))
        return True

    async def _keep_one(self, call_sid: str, life_ms: int) -> None:
        shard = self._index.shard_with_state(call_sid)
        if await self._scripts.run(scripts.keep_state(call_sid=call_sid, life_ms=life_ms, shard=shard)):
            await self._index.after_keep(call_sid, life_ms)

    async def delete_state(self, call_sid: str) -> bool:
        """Delete the call and its queued turns. Return whether there was one."""
        deleting = scripts.delete_state(
            call_sid=checked_call_sid(call_sid), shard=self._index.shard_with_state(call_sid)
        )
        with store_errors():
            entry = await self._index.entry(call_sid)
            existed = await self._scripts.run(deleting)
            await self._index.forget(call_sid, entry)
        return existed

    async def get_active_calls_count(self) -> int:
        """Return how many calls are active, by the server's clock."""
        with store_errors():
            return await self._index.count()

    async def get_all_call_sids(self) -> list[str]:
        """Return the call SIDs of the active calls, by the server's clock."""
        with store_errors():
            return await self._index.call_sids()

    def follow_calls(self) -> CallFeed:
        """Return what follows the active calls: it reads those that were written."""
        return self._index.follow()

    async def health_check(self) -> bool:
        """True if Redis answers a PING; in a cluster, if every master does."""
        try:
            with store_errors():
                return bool(await cast(Awaitable[bool], self._redis.ping()))
        except StoreUnavailable:
            return False

    async def cleanup_expired(self) -> int:
        """Remove expired calls from the index, and those whose state was deleted by hand. Return how many.

        Takes a few round trips. Everything else that belongs to a call expires by itself.
        """
        with store_errors():
            return await self._index.clean_up()

    async def close(self) -> None:
        """Close the client's connections."""
        await self._redis.aclose()

    async def _confirmed(self, call: ScriptCall[T]) -> T:
        """Return the script's reply once no failover undoes what it wrote."""
        if self._replicas.wait is None:
            return await self._scripts.run(call)
        return await self._replicas.run(call)

    def _stored(self, state: ConversationState) -> bytes:
        return sealed_state(self._cipher, state, state.model_dump_json().encode())

    def _kept_ms(self, state: ConversationState) -> int:
        return self._life_ms if state.is_active else self._ended_ms
