"""Waiting on a condition, never for a fixed time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.05


async def wait_until(predicate: Callable[[], T | Awaitable[T]], description: str, timeout: float = 60) -> T:
    """Return `predicate()`, sync or async, as soon as it is true; fail after `timeout` seconds.

    await wait_until(lambda: len(calls) == 3, "three calls have come")
    """
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while True:
        value = predicate()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value  # type: ignore[return-value]
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout} s: {description}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def wait_until_sync(predicate: Callable[[], T], description: str, timeout: float = 60) -> T:
    """`wait_until` for code outside an event loop."""
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while not (value := predicate()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout} s: {description}")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return value
