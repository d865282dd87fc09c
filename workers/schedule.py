"""A worker's part in the schedules of calls: it fires timers, runs activities and sends messages."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from orchestrator.events.call_events import CallEvents
from orchestrator.health.features import SCHEDULE, WorkerFeatures
from orchestrator.health.workers import list_workers
from orchestrator.item_handlers import item_handlers
from orchestrator.schedule.carrier import Carrier
from orchestrator.schedule.watch import ScheduleWatch
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait
from orchestrator.turns.redis.store import RedisTurnStore


async def start_carrying(
    settings: Settings, store: RedisTurnStore, events: CallEvents, holder: str, stack: AsyncExitStack
) -> Carrier:
    """Carry out what calls have scheduled until `stack` is closed. Return what does."""
    handlers = item_handlers(settings, store.schedule, store, events, stack)
    carrier = Carrier(store.schedule, handlers, holder)
    features = WorkerFeatures(partial(list_workers, store.redis))
    watch = ScheduleWatch(carrier, partial(features.lack, SCHEDULE))
    stack.push_async_callback(carrier.close, settings.drain_timeout_seconds)
    stack.push_async_callback(watch.close)
    store.scheduling.look_now = watch.look_now
    stack.push_async_callback(cancel_and_wait, asyncio.create_task(watch.run(), name="watch the schedules"))
    return carrier
