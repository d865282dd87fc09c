"""Retries of idempotent operations on the store, with growing pauses and a deadline."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from random import uniform
from typing import Any, TypeVar

from orchestrator.errors import StoreFull, StoreUnavailable, StoreUnconfirmed

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5


def until_deadline(operation: Callable[[], Awaitable[T]], deadline_seconds: float) -> Coroutine[Any, Any, T]:
    """Return what `operation` returns. Retry while it raises `StoreUnavailable`, until the deadline; then raise that.

    `operation` must be idempotent. redis-py's own retries do not cover every way in which a connection fails.
    `StoreFull` is raised at once: waiting does not free memory.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + deadline_seconds
    return _repeated(operation, lambda error: end - clock())


async def while_down(operation: Callable[[], Awaitable[T]], *, down_seconds: float, unconfirmed_seconds: float) -> T:
    """Retry until Redis has been unreachable for `down_seconds`, or replicas have not confirmed for
    `unconfirmed_seconds` since the first attempt.

    In the second case (`StoreUnconfirmed`) the write is on the master already, and other processes may act on it.
    """
    clock = asyncio.get_running_loop().time
    began = answered_at = clock()

    def seconds_left(error: StoreUnavailable) -> float:
        nonlocal answered_at
        if isinstance(error, StoreUnconfirmed):
            answered_at = clock()
            return began + unconfirmed_seconds - answered_at
        return answered_at + down_seconds - clock()

    return await _repeated(operation, seconds_left)


async def _repeated(operation: Callable[[], Awaitable[T]], seconds_left: Callable[[StoreUnavailable], float]) -> T:
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await operation()
        except StoreFull:
            raise
        except StoreUnavailable as error:
            if (left := seconds_left(error)) <= 0:
                raise
        await asyncio.sleep(min(left, uniform(pause / 2, pause)))
        pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
