"""What the turn store of one process has of a call besides its state."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.turns.store import Lease


@dataclass(slots=True)
class CallRecord:
    """What one call has besides its state."""

    life: datetime | None = None  # when the state was made: a SID may be used again
    inbox: deque[Turn] = field(default_factory=deque)
    results: dict[str, TurnResult] = field(default_factory=dict)
    epoch: int = 0
    holder: str = ""
    running: str = ""
    attempts: int = 0  # at the running turn, before this one
    ending: bool = False
    ended: bool = False
    streamed: bool = False
    announced: str = ""  # the turn of the last commit that was announced

    @classmethod
    def of(cls, state: ConversationState, epoch: int) -> "CallRecord":
        """Return the record of a call whose state is all that is known."""
        results = {record.turn_id: record.result(state.call_sid) for record in state.turns}
        return cls(life=state.created_at, results=results, epoch=epoch, ended=state.ended is not None)

    def waiting(self, turn_id: str) -> bool:
        """True if the turn is in the inbox."""
        return any(turn.turn_id == turn_id for turn in self.inbox)

    def settle(self, turn_id: str) -> None:
        """Take the turn off the inbox."""
        self.inbox = deque(turn for turn in self.inbox if turn.turn_id != turn_id)

    def holds(self, lease: Lease) -> bool:
        """True if this is the lease that was granted last."""
        return self.holder == lease.holder and self.epoch == lease.epoch


def interruption_of(turn: Turn, behind: Sequence[Turn], *, was_begun: bool) -> Turn | None:
    """Return the turn of those `behind` that may interrupt `turn`; see `Claim.interruption`."""
    interruptions = [later for later in behind if later.kind == "interrupted"]
    words = [later for later in behind if later.has_words or later.interrupt] if was_begun else []
    about_it = [later for later in interruptions if later.interrupts in (None, turn.turn_id)]
    return next(iter([*about_it, *words, *interruptions]), None)
