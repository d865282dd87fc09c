"""Repeating what may be repeated, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from random import uniform
from typing import TypeVar

from orchestrator.errors import StoreFull, StoreUnavailable

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5


async def until_deadline(operation: Callable[[], Awaitable[T]], deadline_seconds: float) -> T:
    """Repeat an idempotent `operation` while it raises `StoreUnavailable`, with growing pauses, until the deadline.

    The loop is ours because the client's own retries do not cover every way in which a connection fails.
    A full server is not asked again: waiting does not make room.
    """
    end = asyncio.get_running_loop().time() + deadline_seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await operation()
        except StoreFull:
            raise
        except StoreUnavailable:
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                raise
            await asyncio.sleep(min(left, uniform(pause / 2, pause)))
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
