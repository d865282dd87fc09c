"""An ingress's dispatcher on a real Redis, without the ingress."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.turns.redis_store import RedisTurnStore


@asynccontextmanager
async def open_dispatcher(url: str, channel: str) -> AsyncIterator[QueuedDispatcher]:
    """A dispatcher that hears replies on `channel`."""
    async with Redis.from_url(url, socket_timeout=40) as client:
        store = RedisTurnStore(client, ttl_seconds=100, listener=channel)
        async with QueuedDispatcher(store, client, channel) as dispatcher:
            yield dispatcher
