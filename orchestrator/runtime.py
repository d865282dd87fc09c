"""Puts the parts of an ingress together: states, agent, dispatcher, from the settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from orchestrator.agents.host import AgentHost
from orchestrator.agents.loader import configured_agent
from orchestrator.agents.protocol import Agent
from orchestrator.dispatch.dispatcher import Dispatcher
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.errors import StoreUnavailable
from orchestrator.receipts import MemoryReceipts, Receipts
from orchestrator.relay_documents import MemoryRelayDocuments, RelayDocuments
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase
from orchestrator.state.factory import StateManagerFactory
from orchestrator.turns.call_limits import CallLimits
from orchestrator.turns.progress import progress_of

if TYPE_CHECKING:  # memory mode runs without the client library
    from redis.asyncio import Redis

    from orchestrator.dispatch.line_check import LineCheck
    from orchestrator.redis.breaker import Breaker
    from orchestrator.redis.seal_keys import RedisSealKeys
    from orchestrator.redis.vitals import Vitals


@dataclass
class Runtime:
    """What an ingress works with. `redis` and `breaker` are None when everything is in this process."""

    settings: Settings
    states: StateManagerBase
    dispatcher: Dispatcher
    redis: "Redis | None" = None
    breaker: "Breaker | None" = None
    documents: RelayDocuments = field(default_factory=MemoryRelayDocuments)
    lines: "LineCheck | None" = None
    listener: str = ""
    """The channel on which replies come from Redis; "" when they come from this process."""

    async def vitals(self) -> "Vitals | None":
        """How Redis, the workers and the queue are; None when there are none. Never raises."""
        if self.redis is None or self.breaker is None:
            return None
        from orchestrator.redis.probe import probe
        from orchestrator.redis.replicas import replica_wait
        from orchestrator.redis.vitals import Vitals, read_vitals

        if self.breaker.is_open:
            return Vitals(redis_ok=False, redis_message=self.breaker.reason, degraded=True)
        try:
            await probe(self.redis)
        except StoreUnavailable as error:
            return Vitals(redis_ok=False, redis_message=str(error), degraded=True)
        vitals = await read_vitals(self.redis, replica_wait(self.settings))
        return vitals if vitals.redis_ok else replace(vitals, degraded=True)

    def receipts(self) -> Receipts:
        """Receipts that all ingresses share, or those of this process when there is no Redis."""
        if self.redis is None:
            return MemoryReceipts()
        from orchestrator.redis.receipts import RedisReceipts
        from orchestrator.redis.replicas import replica_wait

        return RedisReceipts(self.redis, replica_wait(self.settings))

    def seal_keys(self) -> "RedisSealKeys | None":
        """Where all ingresses share what they seal with; None when there is one process alone."""
        if self.redis is None or self.breaker is None:
            return None
        from orchestrator.redis.seal_keys import RedisSealKeys

        return RedisSealKeys(self.redis, self.breaker.guard)

    async def watch(self) -> None:
        """Have the workers tell for a while what is being said. Raises `StoreUnavailable`."""
        if self.redis is None or self.breaker is None or self.breaker.is_open:
            return
        from orchestrator.redis import keys
        from orchestrator.redis.errors import store_errors

        with store_errors():
            await self.redis.set(keys.WATCHED, 1, ex=keys.WATCHED_SECONDS)

    def running_turns(self) -> list[dict[str, Any]]:
        """What is being answered in this process."""
        return progress_of(self.dispatcher.runner) if isinstance(self.dispatcher, InProcessDispatcher) else []

    async def roster(self) -> list[dict[str, Any]] | None:
        """What each living worker says of itself; None when there are none or nobody can ask.

        Raises `StoreUnavailable`.
        """
        if self.redis is None or self.breaker is None or self.breaker.is_open:
            return None
        from orchestrator.redis.roster import read_roster

        return await read_roster(self.redis)


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """The runtime of an ingress for as long as the block lasts; leaving it lets running turns finish."""
    async with AsyncExitStack() as stack:
        if settings.use_redis:
            from orchestrator.dispatch.shared_runtime import shared_runtime

            yield await shared_runtime(settings, stack)
        else:
            yield await _by_itself(settings, stack)


async def _by_itself(settings: Settings, stack: AsyncExitStack) -> Runtime:
    states = await StateManagerFactory.create_state_manager(settings)
    stack.push_async_callback(states.close)
    host = await stack.enter_async_context(AgentHost(settings, program="web"))
    dispatcher = await stack.enter_async_context(local_dispatcher(settings, states, host))
    return Runtime(settings, states, dispatcher)


def local_dispatcher(
    settings: Settings, states: StateManagerBase, host: AgentHost, agent: Agent | None = None
) -> InProcessDispatcher:
    """A dispatcher that runs turns in this process, with `agent` or the one of the settings. Raises `BadAgent`."""
    agent = agent or configured_agent(settings)
    host.warm_up(agent)
    return InProcessDispatcher(
        states,
        agent,
        host,
        agent_timeout_seconds=settings.agent_timeout_seconds,
        drain_seconds=settings.drain_timeout_seconds,
        max_active_calls=settings.max_active_calls,
        api_max_active_calls=CallLimits.of(settings).api,
        ttl_seconds=settings.state_ttl_seconds,
    )
