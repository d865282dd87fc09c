"""The index of schedules: when somebody must look at each call that has something scheduled.

On a single server the scripts that change a schedule change the index in the same step. In a cluster it lies in another
slot: before its schedule is written a call is put on it for a look soon, and after that for when it is due. So whatever
is written is looked at, though the process dies between the two.

It is not the agenda of the outboxes: a process of an older version takes calls without events off that.
"""

import asyncio
import math
from contextlib import suppress

from orchestrator import clock
from orchestrator.conversation.call_sid import call_sid_of
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.script_call import text
from orchestrator.redis.sharded_index import ShardedIndex
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.redis import scripts

BEFORE = "+2000"
"""In a cluster, somebody looks at a call so long after its schedule was to be written."""

ANSWER_SECONDS = 1.0
"""How long the others wait for a shard."""


class ScheduleIndex(ShardedIndex):
    """The indexes of all shards. Those that are known to be empty are not read: `noticed` says that one may not be."""

    def __init__(self, connection: StoreConnection, shards: tuple[keys.ShardKeys, ...]) -> None:
        super().__init__(connection, shards)
        self._during_read: dict[str, float] = {}
        self._news = asyncio.Event()

    def noticed(self, shard: keys.ShardKeys, at_ms: float = 0) -> None:
        """Take note that the shard has a call that is due at `at_ms`, or sooner; 0: read when."""
        self._during_read[shard.schedules] = min(self._during_read.get(shard.schedules, math.inf), at_ms)
        if at_ms < self._first.get(shard.schedules, math.inf):
            self._first[shard.schedules] = at_ms
            self._news.set()

    def noticed_call(self, call_sid: str, at_ms: float) -> None:
        """Take note that the call is due at `at_ms`."""
        self.noticed(self._shard(call_sid), at_ms)

    async def wait_until_due(self) -> None:
        """Return when the first call is due that is known here."""
        while self.first_due is None or self.first_due > clock.now():
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self.first_due is None else self.first_due - clock.now()):
                    await self._news.wait()

    async def due(self, most: int) -> list[str]:
        """Return calls that are to be looked at now. Raise `StoreUnavailable` if no shard that may have some answers.

        The shards are asked at the same time, and one that does not answer soon is left for the next time.
        """
        now_ms = clock.now() * 1000
        ready = [shard for shard in self._shards if self._first.get(shard.schedules, math.inf) <= now_ms][:most]
        share = most // len(ready) if ready else 0
        found = await asyncio.gather(*(self._due_of(shard, share) for shard in ready), return_exceptions=True)
        errors = [error for error in found if isinstance(error, BaseException)]
        for error in errors:
            if not isinstance(error, StoreUnavailable) or len(errors) == len(ready):
                raise error
        return [call_sid for calls in found if not isinstance(calls, BaseException) for call_sid in calls]

    async def _due_of(self, shard: keys.ShardKeys, most: int) -> list[str]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._take(shard, most)
        except TimeoutError:
            raise StoreUnavailable("a shard did not answer") from None

    async def _take(self, shard: keys.ShardKeys, most: int) -> list[str]:
        self._during_read.pop(shard.schedules, None)
        first = await self._connection.command("ZRANGE", shard.schedules, 0, 0, "WITHSCORES")
        self._note_first(shard, float(first[1]) if first else None)
        if not first or float(first[1]) > clock.now() * 1000:
            return []
        following, names = await self._connection.run(scripts.take_scheduled(shard=shard, most=most))
        self._note_first(shard, following)
        strange = [name for name in names if call_sid_of(_bytes(name)) is None]
        if strange:  # no call is named so
            await self._connection.command("ZREM", shard.schedules, *strange)
        return [text(name) for name in names if name not in strange]

    def _note_first(self, shard: keys.ShardKeys, at_ms: float | None) -> None:
        """Note what was read. What this process was told meanwhile may not be in it."""
        first = min(math.inf if at_ms is None else at_ms, self._during_read.pop(shard.schedules, math.inf))
        if first < math.inf:
            self._first[shard.schedules] = first
        else:
            self._first.pop(shard.schedules, None)

    async def mark_before(self, call_sid: str, changes: ScheduleChanges) -> None:
        """Cluster: have somebody look at the call though this process dies before it says more.

        Where writes are confirmed by replicas, so is this if there are messages: their call may be over by the time
        that the survey of active calls would find what a failover has taken back.
        """
        if self.is_one_step:
            return
        mark = scripts.mark_scheduled(shard=self._shard(call_sid), call_sid=call_sid, at=BEFORE)
        if any(item.kind == "message" for item in changes.added):
            await self._connection.run_confirmed(mark)
        else:
            await self._connection.run(mark)

    async def mark(self, call_sid: str, at_ms: int) -> None:
        """Cluster: have somebody look at the call at this time, where the schedule's script could not say so."""
        if not self.is_one_step:
            await self._mark(call_sid, at_ms)

    async def _mark(self, call_sid: str, at: str | int) -> None:
        await self._connection.run(scripts.mark_scheduled(shard=self._shard(call_sid), call_sid=call_sid, at=at))

    async def entry(self, call_sid: str) -> bytes | None:
        """Cluster: return the call's entry, to be passed to `note`."""
        if self.is_one_step:
            return None
        return await self._score(self._shard(call_sid).schedules, call_sid)

    async def note(self, call_sid: str, before: bytes | None, at: int | None) -> None:
        """Cluster: note when the call is to be looked at next (ms; None: never)."""
        if not self.is_one_step:
            shard = self._shard(call_sid)
            await self._connection.run(scripts.note_scheduled(shard=shard, call_sid=call_sid, before=before, at=at))


def _bytes(name: bytes | str) -> bytes:
    return name if isinstance(name, bytes) else name.encode()
