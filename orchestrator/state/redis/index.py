"""The index of active calls in Redis: one sorted set, in a cluster several. Counting calls never scans keys."""

import asyncio

from redis.asyncio import Redis

from orchestrator.conversation.call_sid import call_sid_of
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.damage import with_sound_keys
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.state.redis import scripts
from orchestrator.state.redis.feed import RedisCallFeed

_PAGE = 500
"""How many calls `clean_up` checks in one round trip."""
_FRESH_SECONDS = 60.0


class CallIndex:
    """Adds and removes active calls.

    On a single server, the scripts that write states write the index, too. In a cluster it takes a script of its own,
    and an active call is added before its state is written. If a process dies between the two, an entry without a state
    is left, which `clean_up` removes; a call that is not counted cannot happen.
    """

    def __init__(self, redis: Redis, life_ms: int, shards: tuple[keys.ShardKeys, ...] | None = None) -> None:
        self._redis = redis
        self._life_ms = life_ms
        self._shards = shards or shards_of(redis)
        self._is_sharded = len(self._shards) > 1
        self._scripts = ScriptRunner(redis)

    def shard_with_state(self, call_sid: str) -> keys.ShardKeys | None:
        """Return the shard that a script which writes the call's state changes as well; None in a cluster."""
        return None if self._is_sharded else self._shard(call_sid)

    async def before_create(self, call_sid: str, *, is_active: bool) -> None:
        """In a cluster, add a call that is about to begin, if it `is_active`."""
        if is_active:
            await self._set_entry(call_sid, is_active=True)

    async def after_write(self, call_sid: str, *, is_active: bool) -> None:
        """In a cluster, add or remove a call whose state was written, or was found like this."""
        await self._set_entry(call_sid, is_active=is_active, renews=True)

    async def after_keep(self, call_sid: str, life_ms: int) -> None:
        """In a cluster, extend the entry of a call whose state now lives for `life_ms` from now."""
        if self._is_sharded:
            await self._scripts.run(
                scripts.keep_indexed(shard=self._shard(call_sid), call_sid=call_sid, life_ms=life_ms)
            )

    async def entry(self, call_sid: str) -> float | None:
        """In a cluster, return the call's entry, read before the state is deleted: `forget` takes it."""
        if not self._is_sharded:
            return None
        calls = self._shard(call_sid).calls

        async def score() -> float | None:
            entry: float | None = await self._redis.zscore(calls, call_sid)
            return entry

        return await with_sound_keys(self._redis, [calls], score)

    async def forget(self, call_sid: str, entry: float | None) -> None:
        """Remove a deleted call, unless it has begun again since `entry` was read.

        Its entry in the list of due calls stays: the next rescue finds no turns and removes it.
        """
        if entry is not None:
            await self._scripts.run(scripts.forget_calls(shard=self._shard(call_sid), scores={call_sid: entry}))

    async def count(self) -> int:
        """Return how many calls are active, by the servers' clocks."""
        counts = (self._scripts.run(scripts.count_calls(shard=shard)) for shard in self._shards)
        return sum(await asyncio.gather(*counts))

    async def call_sids(self) -> list[str]:
        """Return which calls are active, by the servers' clocks, without entries that cannot be call SIDs."""
        pages = await asyncio.gather(*(self._scripts.run(scripts.list_calls(shard=shard)) for shard in self._shards))
        return [call_sid for page in pages for name in page if (call_sid := call_sid_of(name)) is not None]

    def follow(self) -> RedisCallFeed:
        """Return what follows the active calls."""
        return RedisCallFeed(self._scripts, self._shards)

    async def clean_up(self) -> int:
        """Remove calls that have expired or have no state. Return how many. Takes a few round trips for each set."""
        return sum([await self._clean_up(shard) for shard in self._shards])

    async def _clean_up(self, shard: keys.ShardKeys) -> int:
        calls = shard.calls
        dropped = await self._scripts.run(scripts.prune_calls(shard=shard))
        start = 0
        while page := await self._redis.zrange(calls, start, start + _PAGE - 1, withscores=True):
            strange = [name for name, _ in page if call_sid_of(name) is None]
            if strange:
                await self._redis.zrem(calls, *strange)
            found = [(call_sid, score) for name, score in page if (call_sid := call_sid_of(name)) is not None]
            gone = len(strange) + await self._forget_missing(shard, found)
            dropped += gone
            start += len(page) - gone
        return dropped

    async def _forget_missing(self, shard: keys.ShardKeys, page: list[tuple[str, float]]) -> int:
        if self._is_sharded:  # a call that begins now is added before its state is written
            fresh = (await self._redis.time())[0] + self._life_ms / 1000 - _FRESH_SECONDS
            page = [(call_sid, score) for call_sid, score in page if score < fresh]
        if not page:
            return 0
        # One EXISTS a key: in a cluster, the keys of different calls lie on different nodes.
        pipeline = self._redis.pipeline(transaction=False)
        for call_sid, _ in page:
            pipeline.exists(keys.state(call_sid))
        found = await pipeline.execute()
        missing = dict(row for row, exists in zip(page, found, strict=True) if not exists)
        if not missing:
            return 0
        return await self._scripts.run(scripts.forget_calls(shard=shard, scores=missing))

    async def _set_entry(self, call_sid: str, *, is_active: bool, renews: bool = False) -> None:
        if self._is_sharded:
            await self._scripts.run(
                scripts.index_call(
                    shard=self._shard(call_sid),
                    call_sid=call_sid,
                    life_ms=self._life_ms,
                    is_active=is_active,
                    only_renew=renews,
                )
            )

    def _shard(self, call_sid: str) -> keys.ShardKeys:
        return keys.shard_of(self._shards, call_sid)
