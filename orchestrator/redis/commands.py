"""Sends commands the fastest way that a client has."""

from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.multiplexed import MultiplexedConnection
from orchestrator.redis.multiplexed_cluster import MultiplexedCluster
from orchestrator.redis.pool import QueueingPool
from orchestrator.redis.sentinel_pool import SentinelPool


def sender_for(redis: Redis, *, blocks: bool = False) -> Callable[..., Any]:
    """Return the fastest way to send commands to the Redis of `redis`: `await send("GET", key)` returns the answer.

    With `blocks`, return one over a connection of its own, for commands that keep others waiting. It is redis-py's own
    where answers are decoded, and behind Sentinels: its pool leaves a server that is no longer the master.
    """
    pool = redis.connection_pool
    decodes = pool.connection_kwargs.get("decode_responses")
    if decodes or not isinstance(pool, QueueingPool | ClusterPool) or isinstance(pool, SentinelPool):
        return redis.execute_command
    if blocks or pool.multiplexed is None:
        multiplexed = MultiplexedCluster(pool) if isinstance(pool, ClusterPool) else MultiplexedConnection(pool)
        if blocks:
            return multiplexed.execute
        pool.multiplexed = multiplexed
    send: Callable[..., Any] = pool.multiplexed.execute
    return send


def lost_answers(redis: Redis) -> int:
    """Return how many commands that `sender_for(redis)` sent may have run twice, as an answer was lost."""
    multiplexed = getattr(redis.connection_pool, "multiplexed", None)
    return multiplexed.lost_answers if multiplexed is not None else 0
