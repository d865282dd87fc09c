"""What is peculiar to states in memory: time passes by the given clock, and nothing piles up."""

import tracemalloc
from itertools import count

from orchestrator.conversation.state import EndRecord
from orchestrator.state.memory import InMemoryStateManager


async def test_a_write_renews_the_life_of_its_call_alone() -> None:
    clock = [0.0]
    manager = InMemoryStateManager(10, clock=lambda: clock[0])
    renewed = await manager.create_state("CA1")
    await manager.create_state("CA2")
    clock[0] = 9
    await manager.update_state(renewed)
    clock[0] = 15
    assert await manager.get_state("CA2") is None
    assert await manager.get_all_call_sids() == ["CA1"]


async def test_expired_calls_are_dropped_without_any_cleanup() -> None:
    ticks = count()
    manager = InMemoryStateManager(5, clock=lambda: float(next(ticks)))
    tracemalloc.start()
    try:
        for n in range(1000):
            await manager.create_state(f"CA{n}", slots={"text": "x" * 10_000})
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 1_000_000, "of 10 MB"
    assert await manager.cleanup_expired() > 980


async def test_a_call_that_is_kept_alive_outlives_the_others_and_no_longer() -> None:
    clock = [0.0]
    manager = InMemoryStateManager(10, clock=lambda: clock[0])
    for call_sid in ("CA1", "CA2"):
        await manager.create_state(call_sid)
    assert await manager.keep_alive(["CA1", "CA2"], 5) is True
    assert await manager.keep_alive(["CA1"], 30)
    assert sorted(await manager.expiring(10)) == [("CA2", 10)]
    clock[0] = 29.0
    assert await manager.get_all_call_sids() == ["CA1"]
    clock[0] = 31.0
    assert await manager.get_state("CA1") is None
    assert await manager.cleanup_expired() == 2


async def test_an_end_brings_back_the_ordinary_life() -> None:
    clock = [0.0]
    manager = InMemoryStateManager(10, clock=lambda: clock[0])
    state = await manager.create_state("CA1")
    await manager.keep_alive(["CA1"], 1000)
    await manager.update_state(state.model_copy(update={"ended": EndRecord(status="completed")}))
    clock[0] = 11.0
    assert await manager.get_state("CA1") is None


async def test_a_call_that_has_ended_is_kept_for_a_time_of_its_own() -> None:
    clock = [0.0]
    manager = InMemoryStateManager(100, ended_ttl_seconds=10, clock=lambda: clock[0])
    state = await manager.create_state("CA1")
    await manager.create_state("CA2")
    await manager.update_state(state.model_copy(update={"ended": EndRecord(status="completed")}))
    clock[0] = 11.0
    assert await manager.get_state("CA1") is None
    assert await manager.get_all_call_sids() == ["CA2"]
