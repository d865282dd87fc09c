"""Events of a process whose calls run in its own memory: their outbox, and their delivery."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from orchestrator import clock
from orchestrator.events.agenda_watch import watch_agenda
from orchestrator.events.call_events import CallEvents
from orchestrator.events.delivery import Deliverer
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.sinks.closing import closing_sinks
from orchestrator.events.sinks.factory import sink_fingerprints, sinks_of
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase
from orchestrator.tasks import cancel_and_wait

HOLDER = "in-process"
LAST_SECONDS = 5.0
"""How long a process that ends delivers what is in its outbox: what is left then is lost with it."""
PAUSE_SECONDS = 0.02


@asynccontextmanager
async def local_delivery(
    states: StateManagerBase,
    settings: Settings,
    call_events: CallEvents,
    *,
    elsewhere: Callable[[str], bool] = lambda call_sid: False,
    last_seconds: float = LAST_SECONDS,
) -> AsyncIterator[MemoryOutbox]:
    """Yield an outbox that is delivered to the sinks of the settings. On exit, deliver what can be delivered now.

    `states` has the states of the calls. Those that are `elsewhere` are not delivered here. Raise `BadSetting`.
    """
    sinks = sinks_of(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(closing_sinks(sinks))
        outbox = MemoryOutbox(
            states,
            tuple(sinks),
            wake=lambda call_sid: deliverer.look(call_sid),
            elsewhere=elsewhere,
            ended_seconds=settings.ended_ttl,
        )
        deliverer = Deliverer(outbox, sinks, call_events, HOLDER, fingerprints=sink_fingerprints(settings))
        await stack.enter_async_context(deliverer)
        watching = asyncio.create_task(watch_agenda(outbox, deliverer), name="watch the agenda of events")
        stack.push_async_callback(cancel_and_wait, watching)
        stack.push_async_callback(_deliver_the_rest, outbox, deliverer, last_seconds)
        yield outbox


async def _deliver_the_rest(outbox: MemoryOutbox, deliverer: Deliverer, seconds: float) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        if deliverer.is_idle and ((first := outbox.first_due) is None or first > clock.now()):
            return
        await asyncio.sleep(PAUSE_SECONDS)
