"""The queue of calls: which are active, which are due, and the jobs by which workers find them.

On a single server one script changes a call and the queue together. In a cluster the queue lies in other slots than the
call, and is spread over several shards: a step changes the call first and the call's shard after it. If a process dies
between the two, the rescuer completes the step: every call with waiting turns has an entry in `due`, and only the
rescuer removes that, after it has found the call's inbox empty.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from orchestrator.conversation.call_sid import call_sid_of
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.redis.scripts import count_calls
from orchestrator.turns.redis import queue_scripts
from orchestrator.turns.redis.due_watch import DueWatch, OnScheduled, ignore
from orchestrator.turns.redis.lane import Lane


def call_queue_of(
    shards: tuple[keys.ShardKeys, ...],
    connection: StoreConnection,
    life_ms: int,
    on_scheduled: OnScheduled = ignore,
) -> "CallQueue":
    """Return the call queue that fits the shards: one, or several in a cluster."""
    watch = DueWatch(connection, on_scheduled)
    return (
        AtomicCallQueue(shards, connection, watch)
        if len(shards) == 1
        else ShardedCallQueue(shards, connection, watch, life_ms)
    )


class CallQueue(Protocol):
    """What the turn store needs of either kind of queue."""

    shards: tuple[keys.ShardKeys, ...]

    def shard_with(self, call_sid: str) -> keys.ShardKeys | None:
        """Return the shard that a script which changes the call changes as well; None in a cluster."""

    async def enqueue(self, call_sid: str, *, look: bool = False, lane: Lane | None = None) -> None:
        """Queue a job for the call, whose inbox has a turn, and wake a worker. `look`: also at the call's outbox.

        Without its `lane`, which the call's own keys say, that is read.
        """

    async def call_ended(self, call_sid: str) -> None:
        """Take the call, which is over, off the active ones."""

    async def ensure_due(self, call_sid: str) -> None:
        """Put the call, which has a waiting turn, into `due` unless it is there."""

    async def has_room(self, limit: int) -> bool:
        """True if a call that the script refused may begin all the same."""

    async def rescue(self, *, most: int = 100, again_ms: int = 1000, grace_ms: int = 0) -> list[str]:
        """Wake workers for calls whose turns wait without a lease holder. Return their call SIDs.

        Each is looked at again after `again_ms`. If nobody could ask for `grace_ms`, nobody is woken for as long: a
        holder whose lease ran out meanwhile renews it first.
        """

    @property
    def first_due(self) -> float | None:
        """When the first call is due, as `due` was last read (Unix seconds). None: no turn waits, and none runs."""

    @property
    def watch(self) -> DueWatch:
        """What the searches have seen."""


class AtomicCallQueue:
    """The queue of a single server: the scripts of the turn store have changed it already."""

    def __init__(self, shards: tuple[keys.ShardKeys, ...], connection: StoreConnection, watch: DueWatch) -> None:
        self.shards = shards
        self.watch = watch
        self._connection = connection

    def shard_with(self, call_sid: str) -> keys.ShardKeys | None:
        return self.shards[0]

    async def enqueue(self, call_sid: str, *, look: bool = False, lane: Lane | None = None) -> None:
        pass

    async def call_ended(self, call_sid: str) -> None:
        pass

    async def ensure_due(self, call_sid: str) -> None:
        pass

    async def has_room(self, limit: int) -> bool:
        return False

    async def rescue(self, *, most: int = 100, again_ms: int = 1000, grace_ms: int = 0) -> list[str]:
        shard = self.shards[0]
        silent_ms = await self.watch.silent_ms(shard)
        if silent_ms is None:
            return []
        return await self._connection.run(
            queue_scripts.rescue_calls(
                shard=shard, most=most, again_ms=again_ms, grace_ms=grace_ms, silent_ms=silent_ms
            )
        )

    @property
    def first_due(self) -> float | None:
        return self.watch.first


class ShardedCallQueue:
    """The queue of a cluster. Each script touches one slot; a call's SID decides its shard."""

    def __init__(
        self, shards: tuple[keys.ShardKeys, ...], connection: StoreConnection, watch: DueWatch, life_ms: int
    ) -> None:
        self.shards = shards
        self.watch = watch
        self._connection = connection
        self._life_ms = life_ms

    def shard_with(self, call_sid: str) -> keys.ShardKeys | None:
        return None

    async def enqueue(self, call_sid: str, *, look: bool = False, lane: Lane | None = None) -> None:
        if lane is None:
            lane = await self._lane(call_sid)
        shard = self._shard(call_sid)
        await self._connection.run(
            queue_scripts.queue_call(shard=shard, call_sid=call_sid, life_ms=self._life_ms, look=look, lane=lane)
        )

    async def _lane(self, call_sid: str) -> Lane:
        found = await self._connection.command("HMGET", keys.call(call_sid).lease, "version", "tenant")
        return Lane(*(text_of(part) if part else "" for part in found))

    async def call_ended(self, call_sid: str) -> None:
        await self._connection.command("ZREM", self._shard(call_sid).calls, call_sid)

    async def ensure_due(self, call_sid: str) -> None:
        await self._connection.run(queue_scripts.ensure_due(shard=self._shard(call_sid), call_sid=call_sid))

    async def has_room(self, limit: int) -> bool:
        counts = (self._connection.run(count_calls(shard=shard)) for shard in self.shards)
        return sum(await asyncio.gather(*counts)) < limit

    async def rescue(self, *, most: int = 100, again_ms: int = 1000, grace_ms: int = 0) -> list[str]:
        """Rescue on all shards at the same time: one whose master is down does not delay the others."""
        found = await asyncio.gather(
            *(self._rescue(shard, most, again_ms, grace_ms) for shard in self.shards), return_exceptions=True
        )
        _raise_bugs(found)
        if all(isinstance(calls, StoreUnavailable) for calls in found):
            raise StoreUnavailable(str(found[0]))
        return [call_sid for calls in found if not isinstance(calls, BaseException) for call_sid in calls]

    async def _rescue(self, shard: keys.ShardKeys, most: int, again_ms: int, grace_ms: int) -> list[str]:
        silent_ms = await self.watch.silent_ms(shard)
        if silent_ms is None:
            return []
        due = await self._connection.run(
            queue_scripts.take_due_calls(
                shard=shard, most=most, again_ms=again_ms, grace_ms=grace_ms, silent_ms=silent_ms
            )
        )
        strange = [entry.name for entry in due if call_sid_of(entry.name) is None]
        if strange:  # no call is named so, and its keys would lie in several slots
            await self._connection.command("ZREM", shard.due, *strange)
        entries = [(entry.name.decode(), entry.score) for entry in due if entry.name not in strange]
        woken = await asyncio.gather(*(self._settle(shard, *entry) for entry in entries), return_exceptions=True)
        _raise_bugs(woken)
        return [call_sid for (call_sid, _), was_woken in zip(entries, woken, strict=True) if was_woken is True]

    async def _settle(self, shard: keys.ShardKeys, call_sid: str, score: bytes) -> bool:
        """Look at the call's own keys, then correct its queue. Return True if a worker was woken."""
        standing = await self._connection.run(queue_scripts.inspect_call(call_sid=call_sid))
        return await self._connection.run(
            queue_scripts.settle_due_call(shard=shard, call_sid=call_sid, score=score, standing=standing)
        )

    @property
    def first_due(self) -> float | None:
        return self.watch.first

    def _shard(self, call_sid: str) -> keys.ShardKeys:
        return keys.shard_of(self.shards, call_sid)


def _raise_bugs(results: Sequence[Any]) -> None:
    """Raise any error but `StoreUnavailable`: the next round repeats what an outage has prevented."""
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, StoreUnavailable):
            raise result
