"""`voiceagent doctor` on schedules: what nobody carries out."""

from typing import Any

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.doctor.facts import SystemFacts
from orchestrator.doctor.inspection import inspect_redis
from orchestrator.doctor.schedules import judge_schedules
from orchestrator.health.features import FEATURES
from orchestrator.redis import keys
from orchestrator.settings import Settings

NEW, OLD = {"version": "2", "features": list(FEATURES)}, {"version": "1"}


def judged(*workers: dict[str, Any], **system: Any) -> list[tuple[str, str]]:
    found = judge_schedules(SystemFacts(workers=workers, **system))
    return [(finding.level, finding.message) for finding in found]


def test_nothing_is_said_where_nothing_is_scheduled() -> None:
    assert judged(NEW) == judged(OLD) == []


def test_calls_with_something_scheduled_are_counted() -> None:
    assert judged(NEW, schedules=2) == [("ok", "2 calls have something scheduled, and nothing is late.")]


def test_what_nobody_carries_out_is_a_problem() -> None:
    ((level, said),) = judged(NEW, schedules=2, late_schedules=1)
    assert (level, said) == ("problem", "1 call has timers, activities or messages that nobody carries out.")


def test_workers_that_do_not_know_schedules_are_counted() -> None:
    ((level, said),) = judged(NEW, OLD, OLD, schedules=2, late_schedules=2)
    assert level == "warning"
    assert said.startswith("2 of 3 workers are of a version that does not know")


async def test_late_schedules_are_found_in_redis(redis_client: Redis, redis_url: str) -> None:
    index = keys.SINGLE_SHARD.schedules
    await redis_client.zadd(index, {"CA1": (clock.now() - 3600) * 1000, "CA2": (clock.now() + 3600) * 1000})
    await redis_client.expire(index, 100)
    facts = await inspect_redis(Settings(_env_file=None, redis_url=redis_url))
    assert facts.system is not None
    assert (facts.system.schedules, facts.system.late_schedules) == (2, 1)
