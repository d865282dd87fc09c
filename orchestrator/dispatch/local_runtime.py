"""The parts of an ingress that runs all turns itself: one process, no Redis."""

import asyncio
from contextlib import AsyncExitStack

from orchestrator.agents.agent_table import AgentTable, load_agents
from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.clock import utc_now
from orchestrator.dispatch.call_listeners import CallListeners
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.dispatch.local_carrying import start_local_carrying
from orchestrator.dispatch.local_restoring import restore_schedules
from orchestrator.events.call_events import CallEvents
from orchestrator.events.local_delivery import local_delivery
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox_watch import OutboxWatch
from orchestrator.incidents.process_incidents import ProcessIncidents
from orchestrator.processes.presence import Presence
from orchestrator.runtime import Runtime
from orchestrator.schedule.memory_schedule import MemorySchedule
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase
from orchestrator.state.factory import StateManagerFactory
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.tasks import cancel_and_wait
from orchestrator.turns.call_limits import CallLimits
from orchestrator.turns.call_rates import CallRates
from orchestrator.turns.memory_announcing import MemoryAnnouncing
from orchestrator.turns.memory_scheduling import MemoryScheduling
from orchestrator.turns.tombstone import erasure_secret


async def local_runtime(settings: Settings, stack: AsyncExitStack, agent: Agent | None = None) -> Runtime:
    """Return the runtime of an ingress without workers; `stack` closes its parts. Raise `BadSetting` or `BadAgent`."""
    states = await StateManagerFactory.create_state_manager(settings)
    stack.push_async_callback(states.close)
    host = await stack.enter_async_context(AgentHost(settings, program="web"))
    events = CallEvents.of(settings)
    outbox = watch = None
    if not events.tells_nothing:
        outbox = await stack.enter_async_context(local_delivery(states, settings, events))
        watch = await stack.enter_async_context(OutboxWatch(outbox, settings.events_max_bytes))
    announcing = MemoryAnnouncing(outbox, events)
    dispatcher = await stack.enter_async_context(
        local_dispatcher(settings, states, host, agent, announcing, local_scheduling(outbox))
    )
    await start_local_carrying(settings, dispatcher.memory, events, stack)
    if not isinstance(states, InMemoryStateManager):
        restoring = asyncio.create_task(restore_schedules(dispatcher.memory, utc_now()), name="restore the schedules")
        stack.push_async_callback(cancel_and_wait, restoring)
    if settings.retention_days is not None and settings.events_database_url is not None:
        from orchestrator.records.retention import watch_retention  # its import wants the extra `postgres`

        await watch_retention(settings, stack)
    presence = Presence()

    async def this_one(call_sid: str, since: float) -> str:
        return presence.process_id

    incidents = ProcessIncidents(None, presence.reports, dispatcher.is_erased, states.get_state, this_one)
    dispatcher.runner.on_committed = incidents.noticing.committed
    return Runtime(
        settings, states, dispatcher, runner=dispatcher.runner, outbox=outbox, outbox_watch=watch, presence=presence,
        incidents=incidents,
    )  # fmt: skip


def local_dispatcher(
    settings: Settings,
    states: StateManagerBase,
    host: AgentHost,
    agents: AgentTable | Agent | None = None,
    announcing: MemoryAnnouncing | None = None,
    scheduling: MemoryScheduling | None = None,
    listeners: CallListeners | None = None,
) -> InProcessDispatcher:
    """Return a dispatcher that runs turns in this process, with `agents` or those of the settings. Raise `BadAgent`.

    `announcing` writes the events of the calls, `scheduling` what they do later; `listeners` hear what others cause in
    them.
    """
    agents = agents if isinstance(agents, AgentTable) else load_agents(settings, agents)
    host.warm_up(*agents.all)
    return InProcessDispatcher(
        states,
        agents,
        host,
        agent_timeout_seconds=settings.agent_timeout_seconds,
        drain_seconds=settings.drain_timeout_seconds,
        max_active_calls=settings.max_active_calls,
        api_max_active_calls=CallLimits.of(settings).api,
        ttl_seconds=settings.state_ttl_seconds,
        announcing=announcing,
        scheduling=scheduling,
        listeners=listeners,
        rates=CallRates.of(settings, erasure_secret(settings)),
        sensitive=sensitive_cipher(settings),
    )


def local_scheduling(outbox: MemoryOutbox | None) -> MemoryScheduling:
    """Return a schedule of this process. What is told of it is written into `outbox`."""
    return MemoryScheduling(MemorySchedule(outbox.announce_late) if outbox is not None else MemorySchedule())
