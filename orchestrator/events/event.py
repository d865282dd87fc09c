"""An event: something that happened in a call."""

import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from orchestrator.event_types import EVENT_TYPES, EventType

__all__ = ["EVENT_TYPES", "Event", "EventType", "event_id", "happened_at", "new_event"]


class Event(BaseModel):
    """One event, as every sink gets it. A sink that is told it twice knows it by its `id`.

    `data` always has `call_sid`, `seq` (from 1, without a gap in one life of a call), `agent`, `tenant` and
    `worker_version`. Fields that a newer version adds are kept.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    type: str
    """One of `EVENT_TYPES`, or a type that a newer version knows."""
    timestamp: str
    """When it happened, by the server's clock: RFC 3339, UTC, milliseconds."""
    data: dict[str, Any]

    @property
    def call_sid(self) -> str:
        """Return the call that it happened in."""
        return str(self.data["call_sid"])

    @property
    def seq(self) -> int:
        """Return its place among the call's events, from 1."""
        return int(self.data["seq"])


def new_event(kind: EventType, at: float, data: dict[str, Any]) -> Event:
    """Return an event that happened `at`, in seconds since 1970 by the server's clock."""
    return Event(id=str(event_id(at)), type=kind, timestamp=timestamp_of(at), data=data)


def timestamp_of(at: float) -> str:
    """Return the moment `at` (Unix seconds) as events have it: RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event_id(at: float) -> UUID:
    """Return a UUID of version 7 (RFC 9562, section 5.7): the milliseconds of `at`, then 74 random bits."""
    random = secrets.randbits(74)
    milliseconds = round(at * 1000) & ((1 << 48) - 1)
    return UUID(int=milliseconds << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & ((1 << 62) - 1))


def happened_at(event: Event) -> float:
    """Return when the event happened, in Unix seconds; 0 if its timestamp cannot be read."""
    try:
        return datetime.fromisoformat(event.timestamp).timestamp()
    except ValueError:
        return 0.0
