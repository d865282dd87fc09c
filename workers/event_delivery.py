"""A worker's delivery of events: of what its own commits are granted, and of what it finds on the agenda."""

import asyncio
from contextlib import AsyncExitStack

from orchestrator.events.agenda_watch import watch_agenda
from orchestrator.events.call_events import CallEvents
from orchestrator.events.delivery import Deliverer
from orchestrator.events.sinks.closing import closing_sinks
from orchestrator.events.sinks.factory import sink_fingerprints, sinks_of
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait
from orchestrator.turns.redis.store import RedisTurnStore


async def start_delivery(
    settings: Settings, store: RedisTurnStore, events: CallEvents, holder: str, stack: AsyncExitStack
) -> Deliverer | None:
    """Deliver events until `stack` is closed; return what delivers, or None where there are no sinks.

    Raise `BadSetting` if a class of the user's is no sink.
    """
    sinks = sinks_of(settings)
    if not sinks:
        return None
    await stack.enter_async_context(closing_sinks(sinks))
    deliverer = await stack.enter_async_context(
        Deliverer(store.outbox, sinks, events, holder, fingerprints=sink_fingerprints(settings))
    )
    store.announcing.deliver, store.announcing.has_room = deliverer.start, lambda: deliverer.has_room
    watching = asyncio.create_task(watch_agenda(store.outbox, deliverer), name="watch the agenda")
    stack.push_async_callback(cancel_and_wait, watching)
    return deliverer
