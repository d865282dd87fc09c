"""Opens the outboxes in Redis for a command or the doctor, which take part in no call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.events.sinks.factory import sink_names
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.connections import connect
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.settings import Settings


@asynccontextmanager
async def open_outbox(settings: Settings) -> AsyncIterator[RedisOutbox]:
    """Yield the outboxes in the Redis of `settings`."""
    redis = connect(settings, max_connections=4)
    try:
        yield RedisOutbox(StoreConnection(redis, nullcontext), shards_of(redis), sinks=sink_names(settings))
    finally:
        await redis.aclose()
