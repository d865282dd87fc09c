"""Follows the active calls in Redis: their index is sorted by when each call expires, which every write puts off."""

import asyncio
from collections.abc import Sequence

from orchestrator.conversation.call_sid import call_sid_of
from orchestrator.redis.errors import store_errors
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.state.call_feed import FeedPage, MarkedCalls, without
from orchestrator.state.redis.scripts import WrittenCalls, list_written_calls

WHOLE_EVERY = 10
"""One reading of so many lists all calls: a call that was kept alive, or lives by another process's settings, may not
have got a higher score by its last write."""


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
            active, marks = await self._list(most, self._latest)
            written, gone = self._marks.some(marks, most)
            if len(self._marks) != min(active, most):
                whole = await self._whole(most)
                written = [*written, *whole.written]
                return FeedPage(without(written, whole.gone), without([*gone, *whole.gone], written), whole.active)
            self._readings += 1
            return FeedPage(written, gone, active)

    async def _whole(self, most: int) -> FeedPage:
        active, marks = await self._list(most, [""] * len(self._shards))
        written, gone = self._marks.whole(marks)
        self._readings += 1
        return FeedPage(written, gone, active)

    async def _list(self, most: int, since: Sequence[str]) -> tuple[int, dict[str, float]]:
        """Return how many calls are active, and the scores of the latest ones, the latest first."""
        listed: list[WrittenCalls] = await asyncio.gather(
            *(
                self._scripts.run(list_written_calls(shard=shard, since=latest, most=most))
                for shard, latest in zip(self._shards, since, strict=True)
            )
        )
        self._latest = [
            repr(shard.calls[0][1]) if shard.calls else latest
            for shard, latest in zip(listed, self._latest, strict=True)
        ]
        calls = sorted((entry for shard in listed for entry in shard.calls), key=lambda entry: -entry[1])
        named = ((call_sid_of(name), score) for name, score in calls[:most])
        return sum(shard.active for shard in listed), {name: score for name, score in named if name is not None}
