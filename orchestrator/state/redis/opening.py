"""Opens the state manager that all processes of a system with workers share."""

from redis.asyncio import Redis

from orchestrator.redis.replicas import replica_wait
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase
from orchestrator.state.loading import load_state_manager
from orchestrator.state.redis.manager import RedisStateManager


def open_states(settings: Settings, redis: Redis) -> StateManagerBase:
    """Return the manager that all processes share: the user's (`STATE_MANAGER`), or one in `redis`. Raise `BadSetting`.

    That in Redis waits for replicas as `REDIS_WAIT_REPLICAS` says, in an ingress and in a worker alike. In a worker it
    never has to: the worker reads states and cleans up through it, and writes them by commits, which wait themselves.
    """
    if settings.state_manager:
        return load_state_manager(settings.state_manager, settings)
    life, ended = settings.state_ttl_seconds, settings.ended_ttl
    return RedisStateManager(redis, life, ended_ttl_seconds=ended, wait=replica_wait(settings))


def kept_elsewhere(settings: Settings, states: StateManagerBase) -> StateManagerBase | None:
    """Return `states` if they are not in the Redis of the turns, whose scripts write them otherwise; else None."""
    return states if settings.state_manager else None
