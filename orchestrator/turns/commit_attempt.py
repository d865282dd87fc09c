"""What a commit writes, and how it is repeated after another process has written the state."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.timings import Timings
from orchestrator.turns import outcome as outcomes


@dataclass(frozen=True, slots=True)
class CommitAttempt:
    """The outcome of a turn, to be committed on top of `base`, the state that the turn was run with.

    `after` is the state as the agent has left it; None if the agent changed nothing. Without a `base` the turn gets its
    result and no state is written. `late_timings` are those of earlier turns that the turn brings.
    """

    base: ConversationState | None
    after: ConversationState | None
    record: TurnRecord
    late_timings: Mapping[str, Timings] = field(default_factory=dict)

    @property
    def is_recorded(self) -> bool:
        """True if `base` has a record of the turn already."""
        return self.base is not None and self.base.record_of(self.record.turn_id) is not None

    def state(self) -> ConversationState | None:
        """Return the state to write: `base` with the record, what the agent changed and the late timings."""
        state = outcomes.with_record(self.base, self.after, self.record)
        return state if state is None else outcomes.note_late_timings(state, self.late_timings)

    def on_top_of(self, stored: ConversationState) -> "CommitAttempt":
        """Return the same outcome on top of `stored`, which the store holds instead of `base`.

        If `stored` has a record of the turn already, that record is kept. If `stored` has the version of `base`, the
        store and this process disagree about the version of one and the same state, and no commit can succeed: the
        returned attempt has no `base`.
        """
        record = stored.record_of(self.record.turn_id) or self.record
        if self.base is None:
            return replace(self, base=stored, record=record)
        if self.base.version == stored.version:
            return replace(self, base=None, record=record)
        return replace(self, base=stored, after=outcomes.rebased(stored, self.base, self.after), record=record)
