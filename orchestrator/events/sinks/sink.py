"""What a sink is, and how it refuses an event."""

from typing import Protocol

from pydantic_core import PydanticSerializationError

from orchestrator.errors import VoiceAgentError
from orchestrator.events.event import Event


class EventRefused(VoiceAgentError):
    """The sink will never take this event: the delivery is dead at once. The message says why."""


class SinkGone(EventRefused):
    """The sink wants no event any more, this one or another."""


class TryLater(VoiceAgentError):
    """The sink does not take the event now. `seconds`: for how long it asked to be left alone, if it did."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class Sink(Protocol):
    """A place that events are delivered to, in order within a call, each at least once.

    One event loop uses a sink; several deliveries, of different calls, may run at once.
    """

    async def deliver(self, event: Event) -> None:
        """Return once the event is kept. An event whose `id` is kept already is no error and changes nothing.

        Raise `EventRefused` or `SinkGone` if trying again is useless. After any other exception, `TryLater` among them,
        the delivery is repeated as `orchestrator.events.retry_schedule` says. It is cancelled after `DELIVERY_SECONDS`.
        """
        ...

    async def close(self) -> None:
        """Release what the sink holds. No delivery runs any more."""
        ...


DELIVERY_SECONDS = 20.0
"""The longest that one delivery may take. The sinks of ours have shorter deadlines of their own."""


def json_of(event: Event) -> str:
    """Return the event as JSON on one line. Raise `EventRefused` if it has none: half a surrogate pair is no UTF-8."""
    try:
        return event.model_dump_json()
    except PydanticSerializationError as error:
        raise EventRefused(f"The event cannot be written as JSON ({type(error).__name__}).") from None
