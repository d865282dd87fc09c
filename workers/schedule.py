"""A worker's part in the schedules of calls: it fires timers, runs activities and sends messages."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from orchestrator.events.call_events import CallEvents
from orchestrator.health.features import SCHEDULE, WorkerFeatures
from orchestrator.health.workers import list_workers
from orchestrator.provider_api.client import ProviderApi
from orchestrator.schedule.carrier import Carrier, ItemHandler
from orchestrator.schedule.watch import ScheduleWatch
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait
from orchestrator.text_messages.message_sender import MessageSender
from orchestrator.timers.timer_handler import TimerHandler
from orchestrator.turns.redis.store import RedisTurnStore


async def start_carrying(
    settings: Settings, store: RedisTurnStore, events: CallEvents, holder: str, stack: AsyncExitStack
) -> Carrier:
    """Carry out what calls have scheduled until `stack` is closed. Return what does."""
    provider_api = stack.enter_context(ProviderApi(settings))
    handlers: dict[str, ItemHandler] = {
        "timer": TimerHandler(store.schedule, store),
        "message": MessageSender(store.schedule, settings, provider_api, events),
    }
    carrier = Carrier(store.schedule, handlers, holder)
    features = WorkerFeatures(partial(list_workers, store.redis))
    watch = ScheduleWatch(carrier, partial(features.lack, SCHEDULE))
    stack.push_async_callback(carrier.close, settings.drain_timeout_seconds)
    stack.push_async_callback(watch.close)
    store.scheduling.look_now = watch.look_now
    stack.push_async_callback(cancel_and_wait, asyncio.create_task(watch.run(), name="watch the schedules"))
    return carrier
