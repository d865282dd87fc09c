"""What carries out each kind of scheduled item, wherever turns run: in a worker, or in the one process there is."""

from contextlib import AsyncExitStack

from orchestrator.activities.activity_handler import ActivityHandler
from orchestrator.activities.activity_threads import ActivityThreads
from orchestrator.events.call_events import CallEvents
from orchestrator.provider_api.client import ProviderApi
from orchestrator.schedule.carrier import ItemHandler
from orchestrator.schedule.schedule import Schedule
from orchestrator.settings import Settings
from orchestrator.text_messages.message_sender import MessageSender
from orchestrator.timers.timer_handler import TimerHandler
from orchestrator.turns.store import TurnStore
from orchestrator.version import code_version


def item_handlers(
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
        ),
        "message": MessageSender(schedule, settings, provider_api, events),
    }
