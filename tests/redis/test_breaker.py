"""The breaker: what counts as a Redis that is away, and what is told of it."""

import asyncio
from contextlib import suppress

import pytest
from support.waiting import wait_until

from orchestrator.errors import StoreFull, StoreUnavailable
from orchestrator.redis import breaker as module
from orchestrator.redis.breaker import TRIPS_AFTER, Breaker


async def well() -> None:
    """A probe that finds nothing wrong."""


def use(breaker: Breaker, outcome: Exception | None = None) -> None:
    """One access to Redis that ends so."""
    with suppress(StoreUnavailable), breaker.guard():
        if outcome is not None:
            raise outcome


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [action for record in caplog.records if (action := getattr(record, "action", "")).startswith("redis.")]


@pytest.mark.parametrize(
    "failure", [StoreUnavailable("gone"), TimeoutError(), OSError("reset"), RuntimeError("unexpected")]
)
async def test_whatever_the_first_probe_fails_with_the_process_starts_without_redis(failure: Exception) -> None:
    async def fails() -> None:
        raise failure

    async with Breaker(fails, patience_at_start=0) as breaker:
        assert (breaker.is_open, breaker.reached) == (True, False)
        assert breaker.reason
        await wait_until(lambda: breaker.given_up, "it goes on without Redis")


async def test_a_probe_without_an_answer_counts_as_one_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.01)

    async with Breaker(asyncio.Event().wait, patience_at_start=0) as breaker:  # type: ignore[arg-type]
        assert breaker.is_open
        assert "does not answer in time" in breaker.reason
        await wait_until(lambda: breaker.given_up, "it goes on without Redis")


async def test_a_probe_that_fails_in_an_unexpected_way_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [StoreUnavailable("gone"), RuntimeError("unexpected"), KeyError("unexpected")]

    async def recovers() -> None:
        if failures:
            raise failures.pop(0)

    monkeypatch.setattr(module, "PROBE_EVERY_SECONDS", 0.001)
    async with Breaker(recovers) as breaker:
        await wait_until(lambda: not breaker.is_open, "it sees that Redis is back")
        assert breaker.reached


async def test_a_redis_that_passes_the_probe_and_fails_the_work_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(module, "PROBE_EVERY_SECONDS", 0.001)
    monkeypatch.setattr(module, "LONGEST_PROBE_PAUSE_SECONDS", 0.002)
    async with Breaker(well) as breaker:
        for _ in range(10):
            for _ in range(TRIPS_AFTER):
                use(breaker, StoreUnavailable("refuses what it is asked"))
            assert breaker.is_open
            await wait_until(lambda: not breaker.is_open, "the probe is content")
        assert told(caplog) == ["redis.down", "redis.up", "redis.down"], "the first return was believed"
        use(breaker)
        assert told(caplog)[3:] == ["redis.up"]


async def test_two_outages_far_apart_are_told_though_nothing_was_asked_between_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(module, "PROBE_EVERY_SECONDS", 0.001)
    monkeypatch.setattr(module, "FALSE_RETURN_SECONDS", -1.0)
    async with Breaker(well) as breaker:
        for _ in range(2):
            for _ in range(TRIPS_AFTER):
                use(breaker, StoreUnavailable("gone"))
            await wait_until(lambda: not breaker.is_open, "it is back")
    assert told(caplog) == ["redis.down", "redis.up"] * 2


async def test_a_full_redis_is_not_away() -> None:
    async with Breaker(well) as breaker:
        for _ in range(TRIPS_AFTER + 1):
            use(breaker, StoreFull())
        assert not breaker.is_open
