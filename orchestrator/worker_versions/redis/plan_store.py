"""The rollout plan in Redis: one hash, in a cluster a copy in each shard. The first shard's is the one that counts."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, cast
from uuid import uuid4

from orchestrator.errors import RolloutChanged, StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.scripts import server_time
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.worker_versions.plan import RolloutPlan, plan_of
from orchestrator.worker_versions.redis.scripts import LIFE_MS, Reported, report_outcomes, write_rollout


class RolloutPlans:
    """Reads and writes the plan. Every method raises `StoreUnavailable`.

    A change is one step at the first shard, then it is copied to the others. A copy that could not be written, or was
    lost, is written by `read`, which operators' commands and workers call.
    """

    def __init__(self, connection: StoreConnection, shards: Sequence[ShardKeys]) -> None:
        self._connection = connection
        self._shards = tuple(shards)

    async def read(self) -> RolloutPlan:
        """Return the latest plan, of revision 0 if there is none, and write it to the shards that lack it."""
        found = await asyncio.gather(*map(self._read_one, self._shards), return_exceptions=True)
        if isinstance(found[0], BaseException):
            raise found[0]
        plans = [None if isinstance(plan, BaseException) else plan for plan in found]
        latest = max((plan for plan in plans if plan is not None), key=lambda plan: plan.revision)
        placed = zip(self._shards, plans, strict=True)
        behind = [shard for shard, plan in placed if plan is not None and plan.revision < latest.revision]
        if latest.revision:
            await self._copy(latest, behind)
        return latest

    async def latest(self) -> RolloutPlan:
        """Return the plan of the first shard."""
        return await self._read_one(self._shards[0])

    async def change(self, before: RolloutPlan, after: RolloutPlan) -> int:
        """Write `after` in the place of `before`. Return how many shards did not take their copy.

        They get it from the next `read`. Raise `RolloutChanged` if the plan was changed meanwhile.
        """
        at = await self._connection.run(server_time(key=self._shards[0].rollout))
        after = after.changed(before, at, uuid4().hex)
        if not await self._connection.run_confirmed(write_rollout(shard=self._shards[0], plan=after)):
            raise RolloutChanged
        return await self._copy(after, self._shards[1:])

    async def report(
        self, plan: RolloutPlan, holder: str, version: str, number: int, failures: Sequence[bool]
    ) -> Reported:
        """Add whether each of a version's last turns failed, in the worker's batch of this `number`.

        Return the revision of the plan, and whether these turns have ended its ramp.
        """
        call = report_outcomes(
            shard=self._shards[0],
            version=version,
            holder=holder,
            number=number,
            failures=failures,
            ramp_began=plan.ramp_began,
        )
        return await self._connection.run(call)

    async def renew(self, plan: RolloutPlan) -> None:
        """Keep the plan, and each copy that is like it, for another `LIFE_MS`; write it where it is missing."""
        await self._copy(plan, self._shards)

    async def _copy(self, plan: RolloutPlan, shards: Sequence[ShardKeys]) -> int:
        """Write the plan to `shards`, and the mark by which workers know that there is one."""
        calls = [self._connection.run(write_rollout(shard=shard, plan=plan)) for shard in shards]
        written = await asyncio.gather(self._mark(plan), *calls, return_exceptions=True)
        for error in written:
            if isinstance(error, BaseException) and not isinstance(error, StoreUnavailable):
                raise error
        return sum(isinstance(error, StoreUnavailable) for error in written[1:])

    async def _mark(self, plan: RolloutPlan) -> None:
        if plan.is_active:
            await self._connection.command("SET", keys.ROLLOUT_MARK, plan.revision, "PX", LIFE_MS)
        else:
            await self._connection.command("DEL", keys.ROLLOUT_MARK)

    async def _read_one(self, shard: ShardKeys) -> RolloutPlan:
        redis = self._connection.redis

        async def read() -> Mapping[Any, Any]:
            return await cast("Awaitable[Mapping[Any, Any]]", redis.hgetall(shard.rollout))

        with self._connection.guarded():
            found = await with_sound_keys(redis, [shard.rollout], read)
        return plan_of_hash(found)


def plan_of_hash(found: Mapping[Any, Any]) -> RolloutPlan:
    """Return the plan in what a client has read of `ShardKeys.rollout`."""
    return plan_of({text_of(name): text_of(value) for name, value in found.items()})
