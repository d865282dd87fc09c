"""The events of calls that run in this process while Redis is down: they are delivered once they are in Redis."""

from dataclasses import replace

from orchestrator.conversation.state import ConversationState
from orchestrator.events.memory_call import CALL_ENDED
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import Announcement, NewEvent, Outbox
from orchestrator.events.record import life_of, record_of_call


def without_end(announcement: Announcement, theirs: ConversationState | None) -> Announcement:
    """Return the announcement without the call's end, as one of the life that `theirs` is of.

    The beginning of that life was told there. The end is told once the states are merged: ours alone has not all turns.
    """
    kept = [new for new in announcement.events if new.event.type != CALL_ENDED]
    closes_later = announcement.closes_later or len(kept) < len(announcement.events)
    head = announcement.head
    if theirs is not None and head.life != life_of(theirs):
        head = replace(head, life=life_of(theirs))
        kept = [_started_at(head.life, new) for new in kept if new.event.type != "call.started"]
    return Announcement(head, tuple(kept), closes_later)


def without_told(announcement: Announcement, theirs: ConversationState | None) -> Announcement:
    """Return the announcement without the turns that ran there as well: who recorded them there has told them."""
    if theirs is None:
        return announcement
    there = {record.turn_id for record in theirs.turns if record.outcome != "dropped"}
    return replace(
        announcement, events=tuple(new for new in announcement.events if new.event.data.get("turn_id") not in there)
    )


def _started_at(life: str, new: NewEvent) -> NewEvent:
    data = new.event.data
    if "started_at" not in data:
        return new
    return replace(new, event=new.event.model_copy(update={"data": {**data, "started_at": life}}))


class LocalEvents:
    """Writes events that wait in this process into the outbox that all processes share.

    They come before the state of their call. If the process dies between both, the call counts as gone after a while,
    and its end is told with what is known of it. The other way round, its events would be lost. Its `call.ended` alone
    comes after its state: the record has all turns, also those that this process did not know.
    """

    def __init__(self, waiting: MemoryOutbox, shared: Outbox) -> None:
        self._waiting = waiting
        self._shared = shared

    async def write_back(self, call_sid: str, ours: ConversationState | None, theirs: ConversationState | None) -> None:
        """Write what was announced of the call. Repeating it writes nothing twice. Raise `StoreUnavailable`.

        `ours` is its state here, `theirs` the shared one. A call that began in both places is one call.
        """
        for announcement in self._waiting.announced(call_sid):
            if ours is not None and announcement.head.life == life_of(ours):
                announcement = without_told(without_end(announcement, theirs), theirs)
            await self._shared.take_over(announcement)

    async def write_end(self, ours: ConversationState, merged: ConversationState) -> None:
        """Write the `call.ended` that was announced of `ours`, with the record of the state that is written by now."""
        for announcement in self._waiting.announced(ours.call_sid):
            if announcement.head.life == life_of(ours) and merged.ended is not None:
                ends = [_told_by(merged, new) for new in announcement.events if new.event.type == CALL_ENDED]
                if ends:
                    head = replace(announcement.head, life=life_of(merged))
                    await self._shared.take_over(Announcement(head, tuple(ends)))

    def forget(self, call_sid: str) -> None:
        """Forget the call: it has left this process."""
        self._waiting.forget(call_sid)


def _told_by(state: ConversationState, new: NewEvent) -> NewEvent:
    data = {**new.event.data, **record_of_call(state)}
    return replace(new, event=new.event.model_copy(update={"data": data}))
