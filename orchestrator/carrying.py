"""Carries out what calls have scheduled, wherever turns run: in a worker, or in the process that has all calls."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from orchestrator.activities.activity_handler import ActivityHandler
from orchestrator.activities.activity_threads import ActivityThreads
from orchestrator.events.call_events import CallEvents
from orchestrator.provider_api.client import ProviderApi
from orchestrator.schedule.carrier import Carrier, ItemHandler
from orchestrator.schedule.schedule import Schedule
from orchestrator.schedule.watch import ScheduleWatch
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait
from orchestrator.text_messages.message_sender import MessageSender
from orchestrator.timers.timer_handler import TimerHandler
from orchestrator.turns.store import TurnStore
from orchestrator.version import code_version


def start_carrying(
    settings: Settings,
    schedule: Schedule,
    store: TurnStore,
    events: CallEvents,
    holder: str,
    must_wait: Callable[[], Awaitable[bool]],
    stack: AsyncExitStack,
) -> tuple[Carrier, ScheduleWatch]:
    """Fire timers, run activities and send messages until `stack` is closed.

    Return what does, and what looks at calls for it. `holder` is a name that no other process has;
    `must_wait` says that nothing may be carried out for now.
    """
    handlers = _item_handlers(settings, schedule, store, events, stack)
    carrier = Carrier(schedule, handlers, holder, sensitive=sensitive_cipher(settings))
    watch = ScheduleWatch(carrier, must_wait)
    stack.push_async_callback(carrier.close, settings.drain_timeout_seconds)
    stack.push_async_callback(watch.close)
    stack.push_async_callback(cancel_and_wait, asyncio.create_task(watch.run(), name="watch the schedules"))
    return carrier, watch


def _item_handlers(
    settings: Settings, schedule: Schedule, store: TurnStore, events: CallEvents, stack: AsyncExitStack
) -> dict[str, ItemHandler]:
    """Return the handlers, by kind of item. They work until `stack` is closed."""
    provider_api = stack.enter_context(ProviderApi(settings))
    threads = ActivityThreads()
    stack.callback(threads.close)
    return {
        "timer": TimerHandler(schedule, store),
        "activity": ActivityHandler(
            schedule,
            store,
            threads,
            events,
            most_at_once=settings.worker_max_activities,
            version=code_version(settings),
            sensitive=sensitive_cipher(settings),
        ),
        "message": MessageSender(schedule, settings, provider_api, events),
    }
