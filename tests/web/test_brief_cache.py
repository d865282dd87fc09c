"""One reading for all requests within a moment."""

import asyncio

import pytest

from orchestrator.errors import StoreUnavailable
from web.brief_cache import BriefCache


class Readings:
    """Counts readings. Each waits for `gate`, and raises the first of `errors`, if there is one."""

    def __init__(self, *errors: Exception) -> None:
        self.count = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._errors = list(errors)

    async def read(self) -> int:
        self.count += 1
        await self.gate.wait()
        if self._errors:
            raise self._errors.pop(0)
        return self.count


async def test_those_who_ask_while_it_is_read_get_the_same_value():
    readings = Readings()
    readings.gate.clear()
    cache = BriefCache(readings.read, 60)
    asking = [asyncio.create_task(cache.get()) for _ in range(5)]
    await asyncio.sleep(0)
    readings.gate.set()
    assert await asyncio.gather(*asking) == [1, 1, 1, 1, 1]
    assert await cache.get() == 1


async def test_a_value_that_is_too_old_is_read_again():
    cache = BriefCache(Readings().read, 0)
    assert [await cache.get(), await cache.get()] == [1, 2]


async def test_an_error_is_raised_and_not_kept():
    cache = BriefCache(Readings(StoreUnavailable()).read, 60)
    with pytest.raises(StoreUnavailable):
        await cache.get()
    assert [await cache.get(), await cache.get()] == [2, 2]
