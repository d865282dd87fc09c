"""What an operator does with rollouts over Redis: look at the versions, and change the plan."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from orchestrator.errors import RolloutChanged
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.damage import text_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.settings.checks import is_version_name
from orchestrator.state.base import StateManagerBase
from orchestrator.worker_versions.overview import Overview, PinnedCalls, overview_of, running_versions
from orchestrator.worker_versions.plan import RolloutPlan
from orchestrator.worker_versions.redis.plan_store import RolloutPlans

PAGE = 500
MOST_CALLS = 20_000
"""How many calls are looked at to count those of each version."""

Change = Callable[[RolloutPlan, Collection[str]], RolloutPlan]
"""Makes the next plan of the one there is and the versions that run. Raises `BadRollout`."""
Workers = Callable[[], Awaitable[list[dict[str, Any]]]]
"""Returns what each worker reports of itself (`orchestrator.health.workers`)."""


class Rollouts:
    """Looks at versions and changes the plan. `states` know which calls are active.

    `plans` reads and writes it. Every method raises `StoreUnavailable`.
    """

    def __init__(self, connection: StoreConnection, states: StateManagerBase, workers: Workers) -> None:
        self._connection = connection
        self._workers = workers
        self._states = states
        self.plans = RolloutPlans(connection, shards_of(connection.redis))

    async def overview(self) -> Overview:
        """Return the plan and what is known of each version."""
        plan = await self.plans.read()
        workers = await self._workers()
        return overview_of(plan, workers, await self._count_calls())

    async def change(self, change: Change, revision: int | None = None) -> int:
        """Change the plan. Return how many shards of a cluster have not taken it yet: workers see to that.

        `revision` is that of the plan on which the operator has decided; None: whichever there is. Raise `BadRollout`,
        or `RolloutChanged` if somebody else has changed it.
        """
        plan = await self.plans.read()
        if revision is not None and revision != plan.revision:
            raise RolloutChanged(
                f"The rollout plan has revision {plan.revision}, and you have seen {revision}: somebody else has "
                "changed it. Look at `voiceagent rollout`, then decide again."
            )
        running = running_versions(await self._workers())
        return await self.plans.change(plan, change(plan, running))

    async def watch(self) -> None:
        """Have workers report each second for a while, as for a dashboard."""
        await self._connection.command("SET", keys.WATCHED, 1, "EX", keys.WATCHED_SECONDS)

    async def _count_calls(self) -> PinnedCalls:
        call_sids = await self._states.get_all_call_sids()
        counts: Counter[str] = Counter()
        for start in range(0, min(len(call_sids), MOST_CALLS), PAGE):
            counts.update(await self._versions_of(call_sids[start : min(start + PAGE, MOST_CALLS)]))
        return PinnedCalls(counts, is_partial=len(call_sids) > MOST_CALLS)

    async def _versions_of(self, call_sids: Sequence[str]) -> list[str]:
        with self._connection.guarded():
            async with self._connection.redis.pipeline(transaction=False) as pipe:
                for call_sid in call_sids:
                    pipe.hget(keys.call(call_sid).lease, "version")
                found: list[Any] = await pipe.execute(raise_on_error=False)
        return [_version_in(value) for value in found]


def _version_in(value: Any) -> str:
    """Return the version in a lease; "" if it has none, or holds what somebody else wrote."""
    text = text_of(value) if isinstance(value, bytes | str) else ""
    return text if is_version_name(text) else ""
