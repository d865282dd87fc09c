"""The events of calls that run in this process while Redis is down: they are delivered once they are in Redis."""

from dataclasses import replace

from orchestrator.conversation.state import ConversationState
from orchestrator.events.memory_call import CALL_ENDED
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import Announcement, NewEvent, Outbox
from orchestrator.events.record import life_of


def in_life_of(theirs: ConversationState, announcement: Announcement) -> Announcement:
    """Return the announcement as one of the call's life that `theirs` is of.

    Its beginning was told there. Its end is told once the states are merged: ours alone has not all turns.
    """
    life = life_of(theirs)
    if announcement.head.life == life:
        return announcement
    events = [
        _started_at(life, new) for new in announcement.events if new.event.type not in ("call.started", CALL_ENDED)
    ]
    has_ended = any(new.event.type == CALL_ENDED for new in announcement.events)
    closes_later = announcement.closes_later or has_ended
    return Announcement(replace(announcement.head, life=life), tuple(events), closes_later)


def _started_at(life: str, new: NewEvent) -> NewEvent:
    data = new.event.data
    if "started_at" not in data:
        return new
    return replace(new, event=new.event.model_copy(update={"data": {**data, "started_at": life}}))


class LocalEvents:
    """Writes events that wait in this process into the outbox that all processes share.

    They come before the state of their call. If the process dies between both, the call counts as gone after a while,
    and its end is told with what is known of it. The other way round, its events would be lost.
    """

    def __init__(self, waiting: MemoryOutbox, shared: Outbox) -> None:
        self._waiting = waiting
        self._shared = shared

    async def write_back(self, call_sid: str, ours: ConversationState | None, theirs: ConversationState | None) -> None:
        """Write what was announced of the call. Repeating it writes nothing twice. Raise `StoreUnavailable`.

        `ours` is its state here, `theirs` the shared one. A call that began in both places is one call.
        """
        for announcement in self._waiting.announced(call_sid):
            if ours is not None and theirs is not None and announcement.head.life == life_of(ours):
                announcement = in_life_of(theirs, announcement)
            await self._shared.take_over(announcement)

    def forget(self, call_sid: str) -> None:
        """Forget the call: it has left this process."""
        self._waiting.forget(call_sid)
