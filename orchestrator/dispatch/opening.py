"""Opens the runtime of an ingress: the one place that chooses between memory and Redis."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from orchestrator.agents.protocol import Agent
from orchestrator.dispatch.ingress_events import IngressEvents, NoSockets
from orchestrator.dispatch.local_runtime import local_runtime
from orchestrator.runtime import Runtime
from orchestrator.settings import Settings


@asynccontextmanager
async def open_runtime(
    settings: Settings, events: IngressEvents | None = None, *, agent: Agent | None = None
) -> AsyncIterator[Runtime]:
    """Yield the runtime of an ingress; on exit, let running turns finish.

    `events` answers for the sockets of relay calls, if there can be any. `agent` runs in this process instead of that
    of the settings. Raises `BadSetting` or `BadAgent`.
    """
    async with AsyncExitStack() as stack:
        if settings.use_redis:
            # Imported here: memory mode runs without the client library.
            from orchestrator.dispatch.redis_runtime import redis_runtime

            yield await redis_runtime(settings, stack, NoSockets() if events is None else events, agent)
        else:
            yield await local_runtime(settings, stack, agent)
