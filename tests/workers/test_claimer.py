"""What a worker that serves several tenants starts of what it claims, while grants are pushed to it."""

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

from redis.asyncio import Redis
from support.waiting import wait_until

from orchestrator.redis import keys
from orchestrator.tasks import cancel_and_wait
from orchestrator.testing.example_turns import OPENING, a_turn
from orchestrator.turns.redis.lane import Taker
from orchestrator.turns.redis.lease_scripts import Grant
from orchestrator.turns.redis.store import RedisTurnStore
from workers.claim_health import ClaimHealth
from workers.claimer import Claimer
from workers.pushed_grants import PushedGrants

SHARD = keys.SINGLE_SHARD


class Slots:
    """Has room for any number of turns, and notes which were started."""

    def __init__(self) -> None:
        self.free = 100
        self.started: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, job: Coroutine[Any, Any, None]) -> None:
        self.started[name.split(":")[1]] = asyncio.create_task(job)


async def last(_: Grant) -> None:
    """Run a turn that does not end by itself."""
    await asyncio.Event().wait()


async def test_a_tenant_gets_no_more_than_its_half_though_a_grant_is_pushed_during_a_claim(redis_client: Redis) -> None:
    taker = Taker("1", most_of_tenant=2)
    store = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60, taker=taker)
    for number in (1, 2, 3):
        await store.submit(a_turn("t1", f"CA{number}"), opening={**OPENING, "tenant": "loud"})
    claimed = await store.job_claims.claim(SHARD, holder="w", most=1, look_at=10, in_progress_ms=1000)
    [grant] = claimed.jobs  # stands for one that was pushed
    assert isinstance(grant, Grant)
    slots, pushed = Slots(), PushedGrants(store, "w")
    runtime: Any = SimpleNamespace(store=store, holder="w", pushed=pushed, received=None, run_granted=last)
    worker: Any = SimpleNamespace(
        pool=redis_client, queue_read_limit=10, in_progress_timeout_s=1, burst=False, job_counter=0, jobs_complete=0
    )
    claimer = Claimer(worker, slots, ClaimHealth(), runtime)  # type: ignore[arg-type]
    claiming = asyncio.create_task(claimer.claim(SHARD, 10))
    await asyncio.sleep(0)  # it has told Redis that nothing of the tenant runs
    assert pushed.start(grant)
    await claiming
    assert len(slots.started) == 2
    waits = ({"CA1", "CA2", "CA3"} - {*slots.started}).pop()
    lane = f"{SHARD.queue}:tenant:loud"
    await wait_until(lambda: redis_client.zscore(lane, f"turns:{waits}"), "the third waits in its lane again", 10)
    await pushed.close()
    await cancel_and_wait(*slots.started.values())
