"""Sends commands the fastest way that a client has."""

from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.multiplexed import MultiplexedConnection
from orchestrator.redis.multiplexed_cluster import MultiplexedCluster
from orchestrator.redis.multiplexed_master import MultiplexedMaster
from orchestrator.redis.pool import QueueingPool
from orchestrator.redis.sentinel_pool import SentinelPool

BLOCK_SECONDS = 3.0
"""For how long a command may block that `blocking_sender_for` sends: a connection that died is noticed that much later.
"""
CLIENT_BLOCK_SECONDS = 1.0
"""The same where redis-py sends it: its connections wait no longer for this command than for others."""


def sender_for(redis: Redis) -> Callable[..., Any]:
    """Return the fastest way to send commands to the Redis of `redis`: `await send("GET", key)` returns the answer."""
    pool: Any = redis.connection_pool
    if not _is_multiplexed(pool):
        return redis.execute_command
    if pool.multiplexed is None:
        pool.multiplexed = _multiplexed(pool)
    send: Callable[..., Any] = pool.multiplexed.execute
    return send


def blocking_sender_for(redis: Redis) -> tuple[Callable[..., Any], float]:
    """Return a way to send commands that keep others waiting, over a connection of its own, and for how many seconds
    one may do so.

    It is redis-py's own way where answers are decoded, and behind Sentinels: before each such command its pool leaves a
    server that is no longer the master.
    """
    pool: Any = redis.connection_pool
    if not _is_multiplexed(pool) or isinstance(pool, SentinelPool):
        return redis.execute_command, CLIENT_BLOCK_SECONDS
    if isinstance(pool, ClusterPool):
        return MultiplexedCluster(pool, block_seconds=BLOCK_SECONDS).execute, BLOCK_SECONDS
    return MultiplexedConnection(pool, block_seconds=BLOCK_SECONDS).execute, BLOCK_SECONDS


def _is_multiplexed(pool: Any) -> bool:
    decodes = pool.connection_kwargs.get("decode_responses")
    return not decodes and isinstance(pool, QueueingPool | ClusterPool)


def _multiplexed(pool: Any) -> MultiplexedConnection | MultiplexedCluster:
    if isinstance(pool, ClusterPool):
        return MultiplexedCluster(pool)
    return MultiplexedMaster(pool) if isinstance(pool, SentinelPool) else MultiplexedConnection(pool)


def lost_answers(redis: Redis) -> int:
    """Return how many commands that `sender_for(redis)` sent may have run twice, as an answer was lost."""
    multiplexed = getattr(redis.connection_pool, "multiplexed", None)
    return multiplexed.lost_answers if multiplexed is not None else 0
