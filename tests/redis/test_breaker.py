"""The breaker: when it opens and closes, and what the log says of it."""

import asyncio
from contextlib import suppress

import pytest
from support.waiting import wait_until

from orchestrator.errors import StoreFull, StoreUnavailable
from orchestrator.redis.breaker import TRIPS_AFTER, Breaker, BreakerTimings


async def well() -> None:
    """A probe that finds nothing wrong."""


def use(breaker: Breaker, outcome: Exception | None = None) -> None:
    """One access to Redis that ends so."""
    with suppress(StoreUnavailable), breaker.guard():
        if outcome is not None:
            raise outcome


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [action for record in caplog.records if (action := getattr(record, "action", "")).startswith("redis.")]


@pytest.mark.parametrize(
    "failure", [StoreUnavailable("gone"), TimeoutError(), OSError("reset"), RuntimeError("unexpected")]
)
async def test_whatever_the_first_probe_fails_with_the_process_starts_without_redis(failure: Exception) -> None:
    async def fails() -> None:
        raise failure

    async with Breaker(fails, timings=BreakerTimings(start=0)) as breaker:
        assert (breaker.is_open, breaker.reached) == (True, False)
        assert breaker.reason
        await wait_until(lambda: breaker.start_timed_out, "the start times out")


async def test_a_probe_without_an_answer_counts_as_one_that_failed() -> None:
    async with Breaker(asyncio.Event().wait, timings=BreakerTimings(start=0, probe=0.01)) as breaker:  # type: ignore[arg-type]
        assert breaker.is_open
        assert "does not answer in time" in breaker.reason
        await wait_until(lambda: breaker.start_timed_out, "the start times out")


async def test_a_probe_that_fails_in_an_unexpected_way_does_not_end_the_probing() -> None:
    failures = [StoreUnavailable("gone"), RuntimeError("unexpected"), KeyError("unexpected")]

    async def recovers() -> None:
        if failures:
            raise failures.pop(0)

    async with Breaker(recovers, timings=BreakerTimings(pause=0.001)) as breaker:
        await wait_until(lambda: not breaker.is_open, "Redis is up")
        assert breaker.reached


async def test_a_redis_that_passes_the_probe_and_fails_the_work_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with Breaker(well, timings=BreakerTimings(pause=0.001, max_pause=0.002)) as breaker:
        for _ in range(10):
            for _ in range(TRIPS_AFTER):
                use(breaker, StoreUnavailable("refuses what it is asked"))
            assert breaker.is_open
            await wait_until(lambda: not breaker.is_open, "the probe succeeds")
        assert logged(caplog) == ["redis.down", "redis.up", "redis.down"], "the first recovery was believed"
        use(breaker)
        assert logged(caplog)[3:] == ["redis.up"]


async def test_two_outages_far_apart_are_logged_though_nothing_was_asked_between_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with Breaker(well, timings=BreakerTimings(pause=0.001, false_recovery=-1.0)) as breaker:
        for _ in range(2):
            for _ in range(TRIPS_AFTER):
                use(breaker, StoreUnavailable("gone"))
            await wait_until(lambda: not breaker.is_open, "Redis is up")
    assert logged(caplog) == ["redis.down", "redis.up"] * 2


async def test_a_full_redis_is_not_down() -> None:
    async with Breaker(well) as breaker:
        for _ in range(TRIPS_AFTER + 1):
            use(breaker, StoreFull())
        assert not breaker.is_open
