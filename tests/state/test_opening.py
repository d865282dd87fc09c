"""Which manager all processes of a system with workers share."""

import sys

import pytest

from orchestrator.errors import StoreUnconfirmed
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.state.redis.opening import kept_elsewhere, open_states

MINE = """
from orchestrator.state.redis import RedisStateManager

class Mine(RedisStateManager):
    def __init__(self):
        from redis.asyncio import Redis
        super().__init__(Redis())
"""


async def test_without_a_manager_of_the_users_it_is_in_the_redis_of_the_turns(redis_client) -> None:
    settings = Settings(_env_file=None)
    states = open_states(settings, redis_client)
    assert isinstance(states, RedisStateManager)
    assert kept_elsewhere(settings, states) is None


async def test_it_waits_for_replicas_in_ingress_and_worker_alike(redis_client) -> None:
    states = open_states(Settings(_env_file=None, redis_wait_replicas=1, redis_wait_ms=1), redis_client)
    with pytest.raises(StoreUnconfirmed):
        await states.create_state("CA1")


async def test_the_users_manager_is_elsewhere_even_if_it_is_one_in_redis(tmp_path, monkeypatch, redis_client) -> None:
    (tmp_path / "my_states.py").write_text(MINE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    settings = Settings(_env_file=None, state_manager="my_states:Mine")
    states = open_states(settings, redis_client)
    assert type(states).__name__ == "Mine"
    assert kept_elsewhere(settings, states) is states
    await states.close()
    sys.modules.pop("my_states")
