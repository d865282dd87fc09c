"""How a process adds to the history: once, to the right minute, and after an outage."""

import asyncio
import logging

import pytest
from support.waiting import wait_until

from orchestrator.errors import StoreUnavailable
from orchestrator.history import counted
from orchestrator.history.amounts import KEPT_SECONDS, MINUTE, Amounts
from orchestrator.history.recorder import MOST_WAITING, Recorder, history_recorded
from orchestrator.history.store import Batch, MemoryHistory
from orchestrator.process_metrics import catalog

NOON = 1_764_244_800


class FailingHistory(MemoryHistory):
    """Refuses batches while `is_down`, and notes what came."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.came: list[Batch] = []

    async def add(self, holder: str, batch: Batch) -> None:
        self.came.append(Batch(batch.number, batch.minute, dict(batch.amounts)))
        if self.is_down:
            raise StoreUnavailable("down")
        await super().add(holder, batch)


async def minute(store: MemoryHistory, at: int = NOON) -> Amounts:
    return (await store.read([at])).amounts[0]


async def test_what_was_counted_since_the_last_time_is_added_to_the_minute() -> None:
    store = MemoryHistory()
    catalog.FILLERS.inc("relay")
    recorder = Recorder(store)
    catalog.FILLERS.inc("relay")
    catalog.FILLERS.inc("gather", by=2)
    counted.turn_committed("replied", {}, begins=True, ends=True)
    await recorder.record(NOON + 5)
    await recorder.record(NOON + 15)
    catalog.FILLERS.inc("relay")
    await recorder.record(NOON + MINUTE)
    assert await minute(store) == {"fillers": 3, "turns.replied": 1, "calls.started": 1, "calls.ended": 1}
    assert await minute(store, NOON + MINUTE) == {"fillers": 1}


async def test_what_was_counted_while_the_store_was_down_is_added_to_its_own_minutes() -> None:
    store = FailingHistory()
    recorder = Recorder(store)
    store.is_down = True
    for at in (NOON, NOON + 10, NOON + MINUTE):
        catalog.CALLERS_HELD.inc("relay", "redis")
        with pytest.raises(StoreUnavailable):
            await recorder.record(at)
    store.is_down = False
    await recorder.record(NOON + MINUTE + 10)
    assert await minute(store) == {"held": 2}
    assert await minute(store, NOON + MINUTE) == {"held": 1}


async def test_a_batch_that_was_tried_is_sent_again_as_it_was() -> None:
    store = FailingHistory()
    recorder = Recorder(store)
    store.is_down = True
    catalog.CALLERS_HELD.inc("relay", "redis")
    with pytest.raises(StoreUnavailable):
        await recorder.record(NOON)
    catalog.CALLERS_HELD.inc("relay", "redis")
    store.is_down = False
    await recorder.record(NOON)
    assert store.came == [Batch(1, NOON, {"held": 1}), Batch(1, NOON, {"held": 1}), Batch(2, NOON, {"held": 1})]


async def test_a_long_outage_takes_bounded_memory() -> None:
    store = FailingHistory()
    recorder = Recorder(store)
    store.is_down = True
    for number in range(MOST_WAITING + 5):
        catalog.FILLERS.inc("relay")
        with pytest.raises(StoreUnavailable):
            await recorder.record(NOON + number * MINUTE)
    store.is_down, store.came = False, []
    await recorder.send()
    assert len(store.came) <= MOST_WAITING
    assert await minute(store) == {}
    assert await minute(store, NOON + (MOST_WAITING + 4) * MINUTE) == {"fillers": 1}


async def test_errors_in_the_log_are_counted_and_warnings_are_not(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryHistory()
    async with history_recorded(store, interval_seconds=3600):
        logging.getLogger("anything").error("broken")
        logging.getLogger("anything").warning("odd")
    logging.getLogger("anything").error("after the end")
    [amounts] = [amounts for amounts in await all_minutes(store) if amounts]
    assert amounts == {"errors": 1}


async def test_samples_come_with_the_counts() -> None:
    store = MemoryHistory()

    async def sample() -> Amounts:
        return {"max.active": 4.0}

    async with history_recorded(store, sample, interval_seconds=0.01):

        async def is_there() -> bool:
            return any(amounts.get("max.active") == 4 for amounts in await all_minutes(store))

        await wait_until(is_there, "the sample is in the history")


async def test_a_sample_that_fails_does_not_end_the_recording(caplog: pytest.LogCaptureFixture) -> None:
    store, asked = MemoryHistory(), asyncio.Event()

    async def sample() -> Amounts:
        if not asked.is_set():
            asked.set()
            raise ValueError("odd")
        return {"max.active": 1.0}

    async with history_recorded(store, sample, interval_seconds=0.01):

        async def is_there() -> bool:
            return any(amounts.get("max.active") for amounts in await all_minutes(store))

        await wait_until(is_there, "the next sample is in the history")
    assert [getattr(record, "action", "") for record in caplog.records] == ["history.failed"]


async def test_a_process_keeps_the_minutes_of_a_day_and_no_more() -> None:
    store = MemoryHistory()
    for number in range(2 * KEPT_SECONDS // MINUTE):
        await store.add("h", Batch(number, NOON + number * MINUTE, {"fillers": 1.0}))
    last = NOON + (2 * KEPT_SECONDS // MINUTE - 1) * MINUTE
    found = await store.read(range(NOON, last + MINUTE, MINUTE))
    assert sum(map(bool, found.amounts)) == KEPT_SECONDS // MINUTE
    assert found.amounts[-1] == {"fillers": 1.0}


async def all_minutes(store: MemoryHistory) -> list[Amounts]:
    from orchestrator import clock

    now = int(clock.now() // MINUTE) * MINUTE
    return (await store.read([now - MINUTE, now])).amounts
