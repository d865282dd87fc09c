"""A worker's part in the schedules of calls: it fires timers, runs activities and sends messages."""

from contextlib import AsyncExitStack
from functools import partial

from orchestrator.carrying import start_carrying
from orchestrator.events.call_events import CallEvents
from orchestrator.health.features import SCHEDULE, WorkerFeatures
from orchestrator.health.workers import list_workers
from orchestrator.schedule.carrier import Carrier
from orchestrator.settings import Settings
from orchestrator.turns.redis.store import RedisTurnStore


def carry_out_schedules(
    settings: Settings, store: RedisTurnStore, events: CallEvents, holder: str, stack: AsyncExitStack
) -> Carrier:
    """Carry out what calls have scheduled until `stack` is closed. Return what does.

    Beside a worker of an older version nothing is carried out.
    """
    features = WorkerFeatures(partial(list_workers, store.redis))
    must_wait = partial(features.lack, SCHEDULE)
    carrier, watch = start_carrying(settings, store.schedule, store, events, holder, must_wait, stack)
    store.scheduling.look_now = watch.look_now
    return carrier
