"""An ingress's dispatcher on a real Redis, without the ingress."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis

from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.dispatch.takeover import Takeover, TakeoverTimings
from orchestrator.errors import StoreUnavailable
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.connections import connect
from orchestrator.redis.errors import store_errors
from orchestrator.settings import Settings
from orchestrator.turns.redis.store import RedisTurnStore


async def nothing_to_release(call_sid: str) -> bool:
    """No call runs here, and no socket is open."""
    return True


@asynccontextmanager
async def open_dispatcher(
    url: str,
    channel: str,
    release: Callable[[str], Awaitable[bool]] = nothing_to_release,
    *,
    timings: TakeoverTimings | None = None,
    after_outage: bool = False,
) -> AsyncIterator[QueuedDispatcher]:
    """A dispatcher that gets replies on `channel`, and releases calls with `release`.

    With `after_outage` an access to Redis has just failed.
    """
    settings = Settings(_env_file=None, redis_url=url)
    async with connect(settings) as client, connect(settings, block_seconds=40) as listening:
        store = RedisTurnStore(client, ttl_seconds=100, listener=channel, push=True)
        async with (
            Breaker(lambda: _ping(client)) as breaker,
            QueuedDispatcher(
                store, listening, channel, Takeover(client, channel, breaker, release, timings=timings)
            ) as dispatcher,
        ):
            if after_outage:
                with suppress(StoreUnavailable), breaker.guard():
                    raise StoreUnavailable
            yield dispatcher


async def _ping(client: Redis) -> None:
    with store_errors():
        await client.execute_command("PING")
