"""What a commit writes, and how it is repeated after another process has written the state."""

from dataclasses import dataclass

from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.turns import outcome as outcomes


@dataclass(frozen=True, slots=True)
class CommitAttempt:
    """The outcome of a turn, to be committed on top of `base`, the state that the turn was run with.

    `after` is the state as the agent has left it; None if the agent changed nothing. Without a `base` the turn gets its
    result and no state is written.
    """

    base: ConversationState | None
    after: ConversationState | None
    record: TurnRecord

    def state(self) -> ConversationState | None:
        """Return the state to write: `base` with the record and what the agent changed."""
        return outcomes.with_record(self.base, self.after, self.record)

    def on_top_of(self, stored: ConversationState) -> "CommitAttempt":
        """Return the same outcome on top of `stored`, which the store holds instead of `base`.

        If `stored` has a record of the turn already, that record is kept. If `stored` has the version of `base`, the
        store and this process disagree about the version of one and the same state, and no commit can succeed: the
        returned attempt has no `base`.
        """
        record = stored.record_of(self.record.turn_id) or self.record
        if self.base is None:
            return CommitAttempt(stored, self.after, record)
        if self.base.version == stored.version:
            return CommitAttempt(None, self.after, record)
        return CommitAttempt(stored, outcomes.rebased(stored, self.base, self.after), record)
