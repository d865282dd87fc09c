"""What is tried again, and for how long."""

import asyncio
from collections.abc import Callable

import pytest

from orchestrator.errors import StoreFull, StoreUnavailable, StoreUnconfirmed
from orchestrator.retrying import until_deadline, while_down


class Clock:
    """Time that passes when somebody sleeps, and by a second with each try."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now, raising=False)
        monkeypatch.setattr("orchestrator.retrying.asyncio.sleep", self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def trying(clock: Clock, errors: Callable[[float], Exception | None]) -> Callable[[], object]:
    """An operation that takes a second, and then raises what there is at that time."""

    async def operation() -> float:
        clock.now += 1
        if (error := errors(clock.now)) is not None:
            raise error
        return clock.now

    return operation


async def test_a_deadline_is_kept_whatever_is_wrong(clock):
    with pytest.raises(StoreUnconfirmed):
        await until_deadline(trying(clock, lambda now: StoreUnconfirmed() if now > 4 else StoreUnavailable()), 5)
    assert 5 <= clock.now < 7


async def test_a_store_that_answers_without_its_replicas_is_waited_for_longer(clock):
    answers = trying(clock, lambda now: StoreUnconfirmed() if now < 30 else None)
    assert await while_down(answers, down_seconds=5, unconfirmed_seconds=60) >= 30
    clock.now = 0
    with pytest.raises(StoreUnconfirmed):
        await while_down(trying(clock, lambda now: StoreUnconfirmed()), down_seconds=5, unconfirmed_seconds=60)
    assert 60 <= clock.now < 62


async def test_the_time_down_begins_with_the_last_answer(clock):
    answered_at = 0.0

    def first_unconfirmed_then_down(now: float) -> Exception:
        nonlocal answered_at
        if now >= 20:
            return StoreUnavailable()
        answered_at = now
        return StoreUnconfirmed()

    with pytest.raises(StoreUnavailable):
        await while_down(trying(clock, first_unconfirmed_then_down), down_seconds=5, unconfirmed_seconds=60)
    assert answered_at + 5 <= clock.now < answered_at + 7


async def test_a_full_store_is_not_asked_again(clock):
    with pytest.raises(StoreFull):
        await while_down(trying(clock, lambda now: StoreFull()), down_seconds=5, unconfirmed_seconds=60)
    assert clock.now == 1
