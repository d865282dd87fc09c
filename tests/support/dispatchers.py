"""An ingress's dispatcher on a real Redis, without the ingress."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.dispatch.takeover import TakeOver
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.errors import store_errors
from orchestrator.turns.redis_store import RedisTurnStore


@asynccontextmanager
async def open_dispatcher(url: str, channel: str) -> AsyncIterator[QueuedDispatcher]:
    """A dispatcher that hears replies on `channel`."""
    async with Redis.from_url(url, socket_timeout=40) as client:
        store = RedisTurnStore(client, ttl_seconds=100, listener=channel)
        async with (
            Breaker(lambda: _ping(client)) as breaker,
            QueuedDispatcher(store, client, channel, TakeOver(client, channel, breaker)) as dispatcher,
        ):
            yield dispatcher


async def _ping(client: Redis) -> None:
    with store_errors():
        await client.execute_command("PING")
