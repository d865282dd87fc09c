"""Which calls go to Redis in a rollout."""

from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.rollout import RolloutStateManager, uses_redis

CALLS = [f"CA{n:032x}" for n in range(5000)]


def test_the_choice_is_the_same_in_every_process_and_version() -> None:
    assert [uses_redis(f"CA{n}", 50) for n in range(8)] == [True, False, False, False, True, True, False, True]


def test_a_call_that_is_in_stays_in_as_the_percentage_grows() -> None:
    for call_sid in CALLS[:500]:
        choices = [uses_redis(call_sid, percent) for percent in (0, 0.5, 1, 10, 20, 50, 99, 99.9, 100)]
        assert choices == sorted(choices)


def test_nobody_is_in_at_0_and_everybody_at_100() -> None:
    assert not any(uses_redis(call_sid, 0) for call_sid in CALLS)
    assert all(uses_redis(call_sid, 100) for call_sid in CALLS)


def test_the_share_is_what_was_asked_for() -> None:
    share = sum(uses_redis(call_sid, 20) for call_sid in CALLS) / len(CALLS)
    assert 0.17 < share < 0.23


async def test_each_call_lives_in_one_of_the_two_and_both_are_counted() -> None:
    redis, memory = InMemoryStateManager(), InMemoryStateManager()
    manager = RolloutStateManager(redis, memory, 30)
    for call_sid in CALLS[:100]:
        await manager.create_state(call_sid)
    there = {call_sid for call_sid in CALLS[:100] if uses_redis(call_sid, 30)}
    assert set(await redis.get_all_call_sids()) == there
    assert set(await manager.get_all_call_sids()) == set(CALLS[:100])
    assert await manager.get_active_calls_count() == 100
