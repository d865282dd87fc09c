"""What is read of the history: what is over once, and again after a late change."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from support.waiting import wait_until

from orchestrator.history.amounts import MINUTE
from orchestrator.history.reader import HistoryReader
from orchestrator.history.store import Batch, MemoryHistory, Minutes

NOON = 1_764_244_800


class CountedHistory(MemoryHistory):
    """Notes which minutes are read."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0
        self.asked: list[int] = []

    async def read(self, minutes: Sequence[int]) -> Minutes:
        self.asked += minutes
        return Minutes(self.changes, (await super().read(minutes)).amounts)

    async def put(self, at: int, **amounts: float) -> None:
        await self.add("a", Batch(1, at, amounts))


@pytest.fixture
async def store() -> CountedHistory:
    store = CountedHistory()
    for number in range(120):
        await store.put(NOON - number * MINUTE, fillers=1)
    return store


async def test_the_last_point_is_that_of_now(store: CountedHistory) -> None:
    page = json.loads(await HistoryReader(store).page(NOON + 30, 1, 60))
    assert (page["step"], page["from"], page["to"]) == (60, "2025-11-27T11:01:00Z", "2025-11-27T12:01:00Z")
    assert [point["fillers"] for point in page["points"]] == [1] * 60
    assert page["points"][-1]["at"] == "2025-11-27T12:00:00Z"


@pytest.mark.parametrize(("step", "most"), [(300, 5), (900, 15)])
async def test_a_longer_step_adds_its_minutes_up(store: CountedHistory, step, most: int) -> None:
    page = json.loads(await HistoryReader(store).page(NOON - 1, 1, step))
    assert len(page["points"]) == 3600 // step
    assert [point["fillers"] for point in page["points"]] == [most] * (3600 // step)


async def test_what_is_over_is_read_once(store: CountedHistory) -> None:
    reader = HistoryReader(store)
    await reader.page(NOON + 30, 1, 60)
    store.asked.clear()
    first = await reader.page(NOON + 40, 1, 60)
    assert store.asked == [NOON - MINUTE, NOON]
    await store.put(NOON, fillers=1)
    assert json.loads(await reader.page(NOON + 40, 1, 60)) != json.loads(first)


async def test_after_a_late_change_all_is_read_again(store: CountedHistory) -> None:
    reader = HistoryReader(store)
    await reader.page(NOON + 30, 1, 60)
    await store.put(NOON - 30 * MINUTE, fillers=1)
    store.changes += 1
    page = json.loads(await reader.page(NOON + 30, 1, 60))
    assert [point["fillers"] for point in page["points"]].index(2) == 29
    store.asked.clear()
    await reader.page(NOON + 30, 1, 60)
    assert len(store.asked) == 2


async def test_a_minute_without_counts_is_a_point_of_zeros() -> None:
    page = json.loads(await HistoryReader(MemoryHistory()).page(NOON, 24, 900))
    assert len(page["points"]) == 96
    assert {point["turns"] for point in page["points"]} == {0}
    assert {point["active"] for point in page["points"]} == {None}


async def test_a_late_change_while_a_day_is_read_is_seen_by_the_next_request(store: CountedHistory) -> None:
    reader = HistoryReader(store)
    await reader.page(NOON + 30, 1, 60)
    reading, store.asked = asyncio.create_task(reader.page(NOON + 30, 24, 60)), []
    await wait_until(lambda: store.asked, "the first minutes are read")
    await store.put(NOON - 20 * MINUTE, fillers=1)
    store.changes += 1
    await reading
    page = json.loads(await reader.page(NOON + 30, 1, 60))
    assert [point["fillers"] for point in page["points"]].count(2) == 1
