"""The dispatcher of an ingress with workers is made when the first call runs there."""

import asyncio
import threading

from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.dispatch.on_demand import OnDemandDispatcher
from orchestrator.state.memory import InMemoryStateManager


async def silent(turn, state):
    return
    yield


async def test_it_is_made_once_and_off_the_event_loop() -> None:
    made_in = []

    def make() -> InProcessDispatcher:
        made_in.append(threading.current_thread())
        agent = Agent("test", silent, isolation="inline")
        return InProcessDispatcher(InMemoryStateManager(), agent, AgentHost(), agent_timeout_seconds=60)

    async with OnDemandDispatcher(make) as on_demand:
        await on_demand.idle("CA1", 0)
        assert (on_demand.opened, made_in) == (None, [])
        opened = await asyncio.gather(*(on_demand.open() for _ in range(3)))
        assert set(opened) == {on_demand.opened}
        assert len(made_in) == 1
        assert made_in[0] is not threading.main_thread()
