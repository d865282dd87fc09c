"""What the turn store of one process writes into the outbox of that process."""

from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.events.call_events import CallEvents
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import NewEvent
from orchestrator.turns.call_record import CallRecord
from orchestrator.turns.store import Claim


class MemoryAnnouncing:
    """Writes the `events` of calls into `outbox`; nothing without them."""

    def __init__(self, outbox: MemoryOutbox | None = None, events: CallEvents | None = None) -> None:
        self._outbox = outbox
        self._events = events

    def accepted(self, state: ConversationState) -> None:
        """Write that the call is accepted whose state this is, if nobody has."""
        if self._outbox is None or self._events is None:
            return
        if (announcement := self._events.accepted(state)) is not None:
            self._outbox.accept(announcement)

    def committed(
        self,
        claim: Claim,
        state: ConversationState,
        written: ConversationState,
        record: TurnRecord,
        call: CallRecord,
        *,
        is_recorded: bool = False,
    ) -> None:
        """Write what the commit of `state` tells, which holds `record`; `written` is the state as it is stored now.

        A commit may be repeated after it was written: then the turn is announced already.
        """
        if self._outbox is None or self._events is None:
            return
        base = claim.state if claim.state is not None and claim.state.version == state.version else None
        before = written if is_recorded or call.announced == record.turn_id else base
        call.announced = record.turn_id
        if (announcement := self._events.committed(before, written, record)) is not None:
            self._outbox.announce(announcement)

    def erase(self, call_sid: str, told: NewEvent | None, *, is_known: bool) -> bool:
        """Drop what is to be told of the call but `told`. Return whether there was anything."""
        return self._outbox is not None and self._outbox.erase(call_sid, told, is_known=is_known)

    def is_over(self, call_sid: str) -> None:
        """Have the end of the call told: the provider says that it is over, or its state goes."""
        if self._outbox is not None:
            self._outbox.is_over(call_sid)
