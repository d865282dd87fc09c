"""One attempt to deliver an event, and what is settled after it."""

import asyncio
import logging
from dataclasses import dataclass
from random import uniform

from orchestrator import clock, error_logging
from orchestrator.errors import VoiceAgentError
from orchestrator.events.event import Event
from orchestrator.events.outbox import Settlement
from orchestrator.events.retry_schedule import GIVE_UP_SECONDS, pause_after
from orchestrator.events.sinks.sink import EventRefused, Sink, TryLater
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

MOST_ERROR_CHARACTERS = 300
UNREADABLE_SECONDS = 5.0
"""At least for so long an event is left to others whose encryption key is missing here."""


@dataclass(frozen=True, slots=True)
class Failures:
    """The failed attempts at one event: how many, and when the first was (Unix seconds; 0: none)."""

    count: int = 0
    first_at: float = 0.0


async def attempt(sink: Sink, event: Event, seconds: float) -> Exception | None:
    """Return None once the sink has the event, or why it has not, after at most about `seconds`.

    Whatever the sink raises is returned, and a sink that does not end when it is cancelled is not waited for.
    """
    task = asyncio.create_task(_deliver(sink, event), name=f"deliver {event.id}")
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await cancel_and_wait(task)
        raise
    if not done:
        await cancel_and_wait(task, seconds=1)
        return TryLater(f"The sink did not take the event within {seconds:g} s.")
    if task.cancelled():
        return TryLater("The sink broke the delivery off.")
    error = task.exception()
    return error if error is None or isinstance(error, Exception) else TryLater(type(error).__name__)


async def _deliver(sink: Sink, event: Event) -> None:
    await sink.deliver(event)


def described(error: Exception) -> str:
    """Return what may be logged and kept of the error: of one that is not ours, its kind, since its text may quote the
    event."""
    text = str(error) if isinstance(error, VoiceAgentError) else f"It raised {error_logging.kind_of(error)}."
    return text[:MOST_ERROR_CHARACTERS]


def settlement_of(error: Exception | None, before: Failures) -> Settlement:
    """Return what becomes of an event after an attempt: `error` says why it failed, None that it did not."""
    if error is None:
        return Settlement("delivered")
    now = clock.now()
    first_at, count = before.first_at or now, before.count + 1
    pause = None if isinstance(error, EventRefused) else pause_after(count, now - first_at)
    if pause is None:
        return Settlement("dead", described(error), count, first_at)
    if isinstance(error, TryLater) and error.seconds is not None:
        pause = max(pause, error.seconds)
    return Settlement("failed", described(error), count, first_at, now + pause)


def retry_unattempted(until: float, before: Failures) -> Settlement:
    """Return what becomes of an event that the sink was not asked for, because it is busy or down.

    That counts as no attempt. But an event that was put off for three days is given up like any other.
    """
    now = clock.now()
    first_at = before.first_at or now
    if now - first_at >= GIVE_UP_SECONDS:
        return Settlement("dead", "The sink has been down for three days.", before.count, first_at)
    return Settlement("failed", "The sink is busy or down.", before.count, first_at, until)


def retry_unreadable(before: Failures) -> Settlement:
    """Return what becomes of an event whose encryption key is missing here: it is left to others, which is no failure,
    and it is not given up."""
    until = clock.now() + UNREADABLE_SECONDS * uniform(1, 2)
    return Settlement("failed", "The encryption key of the event is missing.", before.count, before.first_at, until)
