"""A worker's report of what it has counted: it travels with the heartbeat, and is added to what all workers have."""

from redis.asyncio import Redis

from orchestrator.fleet_metrics.redis.scripts import add_counts
from orchestrator.process_metrics import catalog
from orchestrator.process_metrics.changes import Changes, counts_as_texts
from orchestrator.process_metrics.families import Counts
from orchestrator.redis.errors import store_errors
from orchestrator.redis.script_runner import ScriptRunner

LIFE_MS = 7 * 24 * 3600 * 1000
"""How long the counts are kept after the last report."""
BATCH_LIFE_MS = 3600 * 1000
MOST_COUNTS = 20_000
"""More than a fleet has, unless names of agents and models change all the time."""


class CountsReport:
    """Reports what this process counts from now on, in numbered batches: each is added once.

    A batch whose answer is lost is sent again as it was, so that nothing is counted twice. What a process that is
    killed had not reported is lost: the counts of a few seconds.
    """

    def __init__(self, redis: Redis, holder: str) -> None:
        self._scripts = ScriptRunner(redis)
        self._holder = holder
        self._changes = Changes(catalog.IN_A_WORKER)
        self._waiting: Counts = {}
        self._number = 0
        self._sent: Counts = {}
        """The batch `_number`, until Redis has it."""

    async def send(self, *, everything: bool) -> None:
        """Send what has changed; without `everything` only if more has than the lag, which changes all the time.

        Raise `StoreUnavailable`; then the next call sends it.
        """
        if self._sent:
            await self._add()
        for key, amount in self._changes.take().items():
            self._waiting[key] = self._waiting.get(key, 0) + amount
        is_worth_it = everything or any(key.metric != catalog.EVENT_LOOP_LAG.name for key in self._waiting)
        if self._waiting and is_worth_it:
            self._number += 1
            self._sent, self._waiting = self._waiting, {}
            await self._add()

    async def _add(self) -> None:
        call = add_counts(
            holder=self._holder,
            number=self._number,
            amounts=counts_as_texts(self._sent),
            life_ms=LIFE_MS,
            batch_life_ms=BATCH_LIFE_MS,
            most=MOST_COUNTS,
        )
        with store_errors():
            await self._scripts.run(call)
        self._sent = {}
