"""The dispatcher of an ingress with workers is made when the first call runs there."""

import asyncio

from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.dispatch.on_demand import OnDemandDispatcher
from orchestrator.state.memory import InMemoryStateManager


async def silent(turn, state):
    return
    yield


async def test_it_is_made_once_in_the_event_loop() -> None:
    """There the host may begin to start a process for an agent that runs in one."""
    made_in = []

    def make() -> InProcessDispatcher:
        made_in.append(asyncio.get_running_loop())
        agent = Agent("test", silent, isolation="inline")
        return InProcessDispatcher(InMemoryStateManager(), agent, AgentHost(), agent_timeout_seconds=60)

    async with OnDemandDispatcher(make) as on_demand:
        await on_demand.idle("CA1", 0)
        assert (on_demand.opened, made_in) == (None, [])
        opened = await asyncio.gather(*(on_demand.open() for _ in range(3)))
        assert set(opened) == {on_demand.opened}
        assert made_in == [asyncio.get_running_loop()]
