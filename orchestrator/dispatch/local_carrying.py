"""Carries out what the calls of this process have scheduled: it fires timers, runs activities and sends messages."""

import asyncio
from contextlib import AsyncExitStack

from orchestrator.events.call_events import CallEvents
from orchestrator.item_handlers import item_handlers
from orchestrator.schedule.carrier import Carrier
from orchestrator.schedule.watch import ScheduleWatch
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait
from orchestrator.turns.memory_store import InMemoryTurnStore

HOLDER = "in-process"


async def start_local_carrying(
    settings: Settings, store: InMemoryTurnStore, events: CallEvents, stack: AsyncExitStack
) -> None:
    """Carry out what the calls of `store` have scheduled until `stack` is closed."""
    schedule = store.scheduling.schedule
    carrier = Carrier(schedule, item_handlers(settings, schedule, store, events, stack), HOLDER)
    watch = ScheduleWatch(carrier, _never)
    stack.push_async_callback(carrier.close, settings.drain_timeout_seconds)
    stack.push_async_callback(watch.close)
    store.scheduling.look_now = watch.look_now
    stack.push_async_callback(cancel_and_wait, asyncio.create_task(watch.run(), name="watch the schedules"))


async def _never() -> bool:
    """Nothing waits for a worker of another version: there is none."""
    return False
