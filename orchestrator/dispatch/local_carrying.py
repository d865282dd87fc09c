"""Carries out what the calls of this process have scheduled."""

from contextlib import AsyncExitStack

from orchestrator.carrying import start_carrying
from orchestrator.dispatch.in_process import HOLDER
from orchestrator.events.call_events import CallEvents
from orchestrator.settings import Settings
from orchestrator.turns.memory_store import InMemoryTurnStore


async def start_local_carrying(
    settings: Settings, store: InMemoryTurnStore, events: CallEvents, stack: AsyncExitStack
) -> None:
    """Carry out what the calls of `store` have scheduled until `stack` is closed."""
    _, watch = start_carrying(settings, store.scheduling.schedule, store, events, HOLDER, _never, stack)
    store.scheduling.look_now = watch.look_now


async def _never() -> bool:
    """Nothing waits for a worker of another version: there is none."""
    return False
