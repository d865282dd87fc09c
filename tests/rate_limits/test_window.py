"""What is counted in this process."""

import threading

import pytest

from orchestrator.rate_limits.rate import Rate
from orchestrator.rate_limits.window import MOST_NAMES, RateLimiter, TimesInMemory


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_so_many_are_allowed_within_any_such_time(clock: Clock) -> None:
    limiter = RateLimiter(Rate(2, 60), clock)
    assert limiter.seconds_to_wait("a") == 0
    clock.seconds += 40
    assert [limiter.seconds_to_wait("a"), limiter.seconds_to_wait("a")] == [0, 20]
    clock.seconds += 20
    assert [limiter.seconds_to_wait("a"), limiter.seconds_to_wait("a")] == [0, 40]


def test_what_was_refused_does_not_count(clock: Clock) -> None:
    limiter = RateLimiter(Rate(1, 60), clock)
    assert limiter.seconds_to_wait("a") == 0
    for _ in range(59):
        clock.seconds += 1
        assert limiter.seconds_to_wait("a") > 0
    clock.seconds += 1
    assert limiter.seconds_to_wait("a") == 0


def test_each_name_counts_for_itself(clock: Clock) -> None:
    limiter = RateLimiter(Rate(1, 60), clock)
    assert [limiter.seconds_to_wait(name) for name in "abab"] == [0, 0, 60, 60]


def test_no_more_names_are_remembered_than_so_many(clock: Clock) -> None:
    times = TimesInMemory(clock)
    for number in range(MOST_NAMES + 5):
        assert times.acquire_entry(str(number), 1, 60)
    assert times.reset() == MOST_NAMES


def test_no_thread_and_no_task_is_started(clock: Clock) -> None:
    before = threading.active_count()
    limiter = RateLimiter(Rate(5, 60), clock)
    assert [limiter.seconds_to_wait("a") for _ in range(5)] == [0] * 5
    assert threading.active_count() == before
