"""What the turn store of one process writes into the schedule of that process."""

from collections.abc import Callable

from orchestrator import clock
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.schedule.effects import changes_of
from orchestrator.schedule.memory_schedule import MemorySchedule
from orchestrator.turns.store import Claim


class MemoryScheduling:
    """Writes what turns change into `schedule`. `look_now` gets the SID of a call that has something due at once."""

    def __init__(self, schedule: MemorySchedule | None = None) -> None:
        self.schedule = schedule or MemorySchedule()
        self.look_now: Callable[[str], None] | None = None

    def committed(
        self,
        claim: Claim,
        state: ConversationState,
        written: ConversationState,
        record: TurnRecord,
        *,
        is_recorded: bool = False,
    ) -> None:
        """Write what the commit of `state` changes, which holds `record`; `written` is the state as it is stored now.

        A commit may be repeated after it was written: what it added is there then.
        """
        is_base = claim.state is not None and claim.state.version == state.version
        changes = changes_of(claim.state if is_base and not is_recorded else None, written, record)
        if not changes:
            return
        self.schedule.write_now(written.call_sid, changes)
        is_due = any(item.due_at <= clock.utc_now() for item in changes.added)
        if is_due and self.look_now is not None:
            self.look_now(written.call_sid)
