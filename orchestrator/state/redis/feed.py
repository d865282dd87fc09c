"""Follows the active calls in Redis: their index is sorted by when each call expires, which every write puts off."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.conversation.call_sid import call_sid_of
from orchestrator.redis.errors import store_errors
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.state.call_feed import FeedPage, MarkedCalls
from orchestrator.state.redis.scripts import WrittenCalls, list_written_calls

WHOLE_EVERY = 10
"""One reading of so many lists all calls: a call that was kept alive, or lives by another process's settings, may not
have got a higher score by its last write."""


class _Listed(NamedTuple):
    """How many calls are `active`, the scores of the latest ones, the latest first, and the `latest` of each shard."""

    active: int
    marks: dict[str, float]
    latest: list[str]


class RedisCallFeed:
    """A `CallFeed` of the index: it reads what was written since the last reading, and all if calls are gone."""

    def __init__(self, scripts: ScriptRunner, shards: Sequence[ShardKeys]) -> None:
        self._scripts = scripts
        self._shards = shards
        self._marks = MarkedCalls()
        self._latest = [""] * len(shards)
        self._readings = 0

    async def read(self, most: int) -> FeedPage:
        """Return what has changed; see `CallFeed`. Takes one round trip for each shard, two if calls are gone."""
        with store_errors():
            if self._readings % WHOLE_EVERY == 0:
                return await self._whole(most)
            listed = await self._list(most, self._latest)
            if self._marks.count_with(listed.marks, most) != min(listed.active, most):
                return await self._whole(most)
            self._note(listed)
            return FeedPage(*self._marks.some(listed.marks, most), listed.active)

    async def _whole(self, most: int) -> FeedPage:
        listed = await self._list(most, [""] * len(self._shards))
        self._note(listed)
        return FeedPage(*self._marks.whole(listed.marks), listed.active)

    def _note(self, listed: "_Listed") -> None:
        """Take this as read. Nothing is noted before all of a reading is there: the next one brings what failed."""
        self._latest = listed.latest
        self._readings += 1

    async def _list(self, most: int, since: Sequence[str]) -> "_Listed":
        """Return the calls that were written since these scores, of each shard."""
        listed: list[WrittenCalls] = await asyncio.gather(
            *(
                self._scripts.run(list_written_calls(shard=shard, since=latest, most=most))
                for shard, latest in zip(self._shards, since, strict=True)
            )
        )
        scores = [
            repr(shard.calls[0][1]) if shard.calls else latest
            for shard, latest in zip(listed, self._latest, strict=True)
        ]
        calls = sorted((entry for shard in listed for entry in shard.calls), key=lambda entry: -entry[1])
        named = ((call_sid_of(name), score) for name, score in calls[:most])
        marks = {name: score for name, score in named if name is not None}
        return _Listed(sum(shard.active for shard in listed), marks, scores)
