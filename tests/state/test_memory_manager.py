"""What is peculiar to states in memory: time passes by the given clock, and nothing piles up."""

from itertools import count

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
    for n in range(1000):
        await manager.create_state(f"CA{n}")
    assert len(manager._entries) < 10
    assert await manager.cleanup_expired() > 980
