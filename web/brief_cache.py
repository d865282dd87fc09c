"""One reading for all requests within a second: a page that strangers may request must not cost Redis much."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class BriefCache(Generic[T]):
    """Caches the result of `read` for `seconds`. One request reads; those that come meanwhile wait for its result."""

    def __init__(self, read: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._values: list[T] = []
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    async def get(self) -> T:
        """Return the value. Raise what `read` raises; an error is not cached."""
        async with self._reading:
            if not self._values or time.monotonic() - self._read_at >= self._seconds:
                self._values = [await self._read()]
                self._read_at = time.monotonic()
            return self._values[0]
