"""What a worker has seen of the calls that are due, and for how long Redis was silent to it."""

import math
import time
from collections.abc import Callable

from orchestrator.redis import keys
from orchestrator.redis.store_connection import StoreConnection

NEVER_MS = 86_400_000

OnScheduled = Callable[[keys.ShardKeys], None]
"""Is told of a shard that has calls with schedules, whenever a rescue finds some."""


def ignore(_: keys.ShardKeys) -> None:
    """Tell nobody."""


class DueWatch:
    """Reads by cheap commands when the first call is due, and remembers when Redis last answered.

    While nothing is due, scheduled or queued, that is one command for all. `on_scheduled` is told of a shard that has
    schedules.
    """

    def __init__(
        self,
        connection: StoreConnection,
        on_scheduled: OnScheduled = ignore,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._connection = connection
        self._on_scheduled = on_scheduled
        self._answered_at: dict[str, float] = {}
        self._silent: dict[str, float] = {}  # the longest time without an answer since the last search
        self._first: dict[str, float] = {}
        self._empty_at: dict[str, float] = {}

    @property
    def first(self) -> float | None:
        """When the first call of all shards is due, as each was last read (Unix seconds); None if there is none."""
        return min(self._first.values()) / 1000 if self._first else None

    def answered(self, shard: keys.ShardKeys) -> None:
        """Note that the shard's server has answered a command just now."""
        now = self._monotonic()
        silent = now - self._answered_at.get(shard.due, -math.inf)
        self._silent[shard.due] = max(silent, self._silent.get(shard.due, 0.0))
        self._answered_at[shard.due] = now

    def seconds_since_answer(self) -> float:
        """Return how long ago that server answered which has been silent the longest."""
        return self._monotonic() - min(self._answered_at.values(), default=-math.inf)

    def seen_empty_at(self, queue: str) -> float:
        """Return when a search found that the queue does not exist (`time.monotonic()`), or -inf."""
        return self._empty_at.get(queue, -math.inf)

    async def silent_ms(self, shard: keys.ShardKeys) -> int | None:
        """Return the longest time (ms) without an answer of the shard's server since the answer to the last search;
        None if `due` is empty. Raise `StoreUnavailable`.
        """
        asked_at = self._monotonic()
        # A key that is named twice counts twice, so the number says which ones exist.
        found = await self._connection.command("EXISTS", *[shard.due] * 4, *[shard.queue] * 2, shard.schedules)
        first = await self._connection.command("ZRANGE", shard.due, 0, 0, "WITHSCORES") if found & 4 else None
        if found & 2:
            self._empty_at.pop(shard.queue, None)
        else:
            self._empty_at[shard.queue] = asked_at
        if found & 1:
            self._on_scheduled(shard)
        self.answered(shard)
        silent = self._silent.pop(shard.due)
        if not first:
            self._first.pop(shard.due, None)
            return None
        self._first[shard.due] = float(first[1])
        return int(min(silent * 1000, NEVER_MS))
