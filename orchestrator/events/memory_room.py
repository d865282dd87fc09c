"""How many bytes of events one process keeps, and which go first when they are too many."""

import logging

logger = logging.getLogger(__name__)

EventKey = tuple[str, int]
"""A call SID, and the event's position in its outbox."""


class OutboxRoom:
    """Counts the bytes of events, in the order in which they came, up to `most_bytes` (None: any number)."""

    def __init__(self, most_bytes: int | None) -> None:
        self.bytes = 0
        self.dropped = 0
        """How many events were dropped because there was no room, since the start."""
        self._most_bytes = most_bytes
        self._sizes: dict[EventKey, int] = {}
        self._dead: dict[EventKey, None] = {}
        self._is_full = False

    def add(self, key: EventKey, size: int) -> None:
        """Count a new event."""
        self._sizes[key] = size
        self.bytes += size

    def remove(self, key: EventKey) -> None:
        """Count the event no more."""
        self.bytes -= self._sizes.pop(key, 0)
        self._dead.pop(key, None)

    def note_dead(self, key: EventKey, *, is_dead: bool) -> None:
        """Note whether a sink has given the event up: such events go first."""
        if is_dead:
            self._dead[key] = None
        else:
            self._dead.pop(key, None)

    def next_to_drop(self) -> tuple[EventKey, bool] | None:
        """Return the event to drop, and True if only its dead deliveries go. None: there is room."""
        if self._most_bytes is None or self.bytes <= self._most_bytes:
            self._is_full = False
            return None
        if not self._is_full:
            logger.error(
                "Undelivered events take more than EVENTS_MAX_BYTES: the oldest are dropped, dead ones first",
                extra={"action": "event.outbox_full"},
            )
        self._is_full = True
        self.dropped += 1
        return (next(iter(self._dead)), True) if self._dead else (next(iter(self._sizes)), False)
