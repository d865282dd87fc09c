"""Counts committed turns for the history."""

from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.history import counted
from orchestrator.turns.store import Commit


def count_committed(base: ConversationState | None, record: TurnRecord, commit: Commit) -> None:
    """Count the turn if its commit, on top of `base`, was written."""
    if commit.status != "committed":
        return
    is_waited_for = record.kind != "ended" and record.outcome != "dropped"
    counted.turn_committed(
        record.outcome,
        record.timings if is_waited_for else {},
        begins=base is not None and not base.turns,
        ends=base is not None and base.ended is None and commit.state is not None and commit.state.ended is not None,
    )
