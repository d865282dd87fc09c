"""A worker's part in the schedules of calls: it fires timers, runs activities and sends messages."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from orchestrator.health.features import SCHEDULE, WorkerFeatures
from orchestrator.health.workers import list_workers
from orchestrator.schedule.carrier import Carrier, ItemHandler
from orchestrator.schedule.watch import ScheduleWatch
from orchestrator.tasks import cancel_and_wait
from orchestrator.timers.timer_handler import TimerHandler
from orchestrator.turns.redis.store import RedisTurnStore

DRAIN_SECONDS = 5.0
"""How long what runs may take to end when the worker has drained."""


async def start_carrying(store: RedisTurnStore, holder: str, stack: AsyncExitStack) -> Carrier:
    """Carry out what calls have scheduled until `stack` is closed. Return what does."""
    handlers: dict[str, ItemHandler] = {"timer": TimerHandler(store.schedule, store)}
    carrier = Carrier(store.schedule, handlers, holder)
    features = WorkerFeatures(partial(list_workers, store.redis))
    watch = ScheduleWatch(carrier, partial(features.lack, SCHEDULE))
    stack.push_async_callback(carrier.close, DRAIN_SECONDS)
    stack.push_async_callback(watch.close)
    store.scheduling.look_now = watch.look_now
    stack.push_async_callback(cancel_and_wait, asyncio.create_task(watch.run(), name="watch the schedules"))
    return carrier
