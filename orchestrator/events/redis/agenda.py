"""The agenda: when somebody must look at each call that is open, or has events to deliver.

On a single server the scripts that change an outbox change the agenda in the same step. In a cluster it lies in another
slot, and is changed after the outbox. If a process dies between the two, a look that comes later than needed is
corrected by the survey of the outboxes.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence

from orchestrator import clock
from orchestrator.conversation.call_sid import call_sid_of
from orchestrator.errors import StoreUnavailable
from orchestrator.events.redis import scripts
from orchestrator.redis import keys
from orchestrator.redis.sharded_index import ShardedIndex


class Agenda(ShardedIndex):
    """The agendas of all shards."""

    async def due(self, most: int) -> list[str]:
        """Return calls that are to be looked at now. Raise `StoreUnavailable` if no shard answers, or none gives
        what is due there."""
        errors = await asyncio.gather(*(self._read_first(shard) for shard in self._shards), return_exceptions=True)
        _raise_unless_some_answer(errors)
        found: list[str] = []
        refused: StoreUnavailable | None = None
        for shard in self._shards:
            if len(found) < most and self._first.get(shard.agenda, math.inf) <= clock.now() * 1000:
                try:
                    found += await self._take(shard, most - len(found))
                except StoreUnavailable as error:  # the other shards' calls must not wait for this one
                    refused = error
        if refused is not None and not found:
            raise refused
        return found

    async def _read_first(self, shard: keys.ShardKeys) -> None:
        first = await self._connection.command("ZRANGE", shard.agenda, 0, 0, "WITHSCORES")
        if first:
            self._first[shard.agenda] = float(first[1])
        else:
            self._first.pop(shard.agenda, None)

    async def _take(self, shard: keys.ShardKeys, most: int) -> list[str]:
        names = await self._connection.run(scripts.take_agenda(shard=shard, most=most))
        strange = [name for name in names if call_sid_of(name) is None]
        if strange:  # no call is named so
            await self._connection.command("ZREM", shard.agenda, *strange)
        return [name.decode() for name in names if name not in strange]

    async def mark(self, call_sid: str, within_ms: int = 0) -> None:
        """Have somebody look at the call within so many milliseconds, where the outbox's script could not say so."""
        if not self.is_one_step:
            await self.look_within(call_sid, within_ms)

    async def look_within(self, call_sid: str, within_ms: int) -> None:
        """Have somebody look at the call within so many milliseconds."""
        await self._connection.run(
            scripts.mark_agenda(shard=self._shard(call_sid), call_sid=call_sid, within_ms=within_ms)
        )

    async def entry(self, call_sid: str) -> bytes | None:
        """Return the call's entry, to be passed to `note`."""
        return await self._score(self._shard(call_sid).agenda, call_sid)

    async def note(self, call_sid: str, before: bytes | None, at: int | None) -> None:
        """Note when the call is to be looked at next (ms; None: never), where the outbox's script could not."""
        if not self.is_one_step:
            await self._connection.run(
                scripts.note_look(shard=self._shard(call_sid), call_sid=call_sid, before=before, at=at)
            )

    async def page(self, cursor: str, most: int) -> tuple[list[str], str]:
        """Return about `most` calls in no particular order, and the cursor of the next ones; "" after the last.

        A call that is on the agenda all the time is returned at least once.
        """
        looks, following = await self.looks(cursor, most)
        return list(looks), following

    async def looks(self, cursor: str, most: int) -> tuple[dict[str, float], str]:
        """Return the same calls, each with when it is to be looked at (ms)."""
        number, after = _place_of(cursor)
        found: dict[str, float] = {}
        while number < len(self._shards) and len(found) < most:
            after, looks = await self._scan(self._shards[number], after, most)
            found |= looks
            if not after:
                number += 1
        return found, f"{number}:{after}" if number < len(self._shards) else ""

    async def _scan(self, shard: keys.ShardKeys, after: int, most: int) -> tuple[int, dict[str, float]]:
        following, found = await self._connection.command("ZSCAN", shard.agenda, after, "COUNT", most)
        # As the client parses, these are pairs or one flat list.
        flat = [part for pair in found for part in (pair if isinstance(pair, tuple) else (pair,))]
        entries = zip(flat[::2], flat[1::2], strict=True)
        return int(following), {name.decode(): float(at) for name, at in entries if call_sid_of(name) is not None}

    async def look_by(self, looks: Mapping[str, float]) -> None:
        """Cluster: have somebody look at these calls at these times (ms), or sooner."""
        now = clock.now() * 1000
        calls = [
            scripts.mark_agenda(shard=self._shard(sid), call_sid=sid, within_ms=round(max(0.0, at - now)))
            for sid, at in looks.items()
        ]
        if calls:
            await self._connection.run_all(calls)


def _raise_unless_some_answer(errors: Sequence[BaseException | None]) -> None:
    """Raise what is no outage; an outage, only if every shard has it."""
    for error in errors:
        if error is not None and (not isinstance(error, StoreUnavailable) or None not in errors):
            raise error


def _place_of(cursor: str) -> tuple[int, int]:
    """Return the number of the shard, and the server's own cursor there."""
    shard, _, after = cursor.partition(":")
    return tuple(int(part) if part.isascii() and part.isdecimal() and len(part) < 21 else 0 for part in (shard, after))  # type: ignore[return-value]
