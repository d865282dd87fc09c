"""Erases calls in one process, and remembers which."""

from collections import deque
from collections.abc import Callable

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.events.outbox import NewEvent
from orchestrator.turns.call_record import CallRecord
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.goodbye import ending_turn, farewell_results
from orchestrator.turns.memory_admissions import MemoryAdmissions
from orchestrator.turns.memory_announcing import MemoryAnnouncing
from orchestrator.turns.memory_scheduling import MemoryScheduling
from orchestrator.turns.messages import Arrival, Settled
from orchestrator.turns.tombstone import Tombstones


class MemoryErasure:
    """A `CallErasure` of what an `InMemoryTurnStore` keeps: it is handed that store's own tables."""

    def __init__(
        self,
        calls: dict[str, CallRecord],
        dead_letters: deque[DeadLetter],
        announcing: MemoryAnnouncing,
        scheduling: MemoryScheduling,
        admissions: MemoryAdmissions,
        deliver: Callable[[Settled], None],
        notify: Callable[[Arrival], None],
    ) -> None:
        self.tombstones = Tombstones()
        self.highest_epoch = 0
        """No epoch of a call that was erased was higher: what still runs of one cannot write into a later call."""
        self._calls = calls
        self._dead_letters = dead_letters
        self._announcing = announcing
        self._scheduling = scheduling
        self._admissions = admissions
        self._deliver = deliver
        self._notify = notify

    def delete(self, call_sid: str) -> None:
        """Delete the call's turns and dead letters, and have its end told."""
        self.tombstones.lay(checked_call_sid(call_sid))
        self._announcing.is_over(call_sid)
        self._drop(call_sid)

    async def begin(self, call_sid: str) -> bool:
        was_erased = call_sid in self.tombstones
        self.tombstones.lay(checked_call_sid(call_sid))
        return was_erased

    async def erase(self, call_sid: str, told: NewEvent | None, *, is_known: bool, is_phone: bool) -> bool:
        call = self._calls.get(call_sid)
        letters = sum(letter.turn.call_sid == call_sid for letter in self._dead_letters)
        is_known = is_known or call is not None or letters > 0
        had_events = self._announcing.erase(call_sid, told, is_known=is_known)
        self._drop(call_sid)
        if call is not None:
            if call.holder:
                self._notify(Arrival.of(ending_turn(call_sid)))
            for result in farewell_results(call_sid, [turn.turn_id for turn in call.inbox], is_phone=is_phone):
                self._deliver(Settled(result, 0))
        return call is not None or letters > 0 or had_events

    async def forget(self, call_sid: str) -> None:
        self.tombstones.lift(call_sid)

    def _drop(self, call_sid: str) -> None:
        self._scheduling.schedule.forget(call_sid, erased=True)
        self._admissions.forget(call_sid)
        if (call := self._calls.pop(call_sid, None)) is not None:
            self.highest_epoch = max(self.highest_epoch, call.epoch)
        kept = [letter for letter in self._dead_letters if letter.turn.call_sid != call_sid]
        self._dead_letters.clear()
        self._dead_letters.extend(kept)
